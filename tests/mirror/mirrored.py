"""A mirror with reviews in it, made by the real inbox and the real drain."""

from typing import Any

from mirror.clock import now_ms
from mirror.domain.changes import Source
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.record import Windows
from mirror.storage import inbox, keys
from mirror.storage.inbox_entries import decode_entry
from mirror.storage.store import Store
from tests.support import make_body
from worker.deciding import Policy
from worker.drain import Drainer

HOUR = 3_600_000
DAY = 24 * HOUR


async def accept(store: Store, review_id: int, *bodies: bytes, ago: int = 0, source: Source = Source.WEBHOOK) -> None:
    """Put deliveries, 1 ms apart, into a review's inbox, the first received `ago` milliseconds before now."""
    start = now_ms() - ago
    entries = [
        Entry(make_delivery_id(start + number, number), start + number, source, body)
        for number, body in enumerate(bodies)
    ]
    await inbox.accept(store, [(review_id, entry) for entry in entries])


async def mirror(store: Store, *reviews: dict[str, Any], ago: int = 0, retention: int = 2 * DAY) -> None:
    """Accept and apply deliveries, each about the review it shows."""
    for number, review in enumerate(reviews):
        await accept(store, review["id"], make_body(review), ago=ago - number)
    await drain(store, retention=retention)


async def drain(store: Store, *, retention: int = 2 * DAY, windows: Windows | None = None) -> None:
    """Apply whatever is due, as a worker does."""
    assert await Drainer(store, Policy(windows=windows or Windows(), delivery_retention=retention)).run()


async def kept(store: Store, review_id: int) -> list[Entry]:
    """Read the raw deliveries of a review that were applied and are kept, in their order."""
    found = await store.redis.execute_command("LRANGE", keys.deliveries(review_id), 0, -1)
    return [decode_entry(data) for data in found]
