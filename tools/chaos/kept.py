"""What Redis kept, read when all is quiet: the order of what it accepted, the records, the histories, the counts."""

import msgspec

from mirror.domain.changes import Change
from mirror.domain.record import Record
from mirror.settings import load
from mirror.storage import counters, dead_letters, inbox, keys, reads
from mirror.storage.connection import connect
from mirror.storage.store import Store
from tools.chaos.redis_server import RedisServer
from tools.chaos.writes import Writes, read_writes


class Kept(msgspec.Struct):
    """What Redis holds now, and what it wrote until now. `dead_letters`: how often each body came."""

    writes: Writes
    reviews: dict[int, tuple[Record, list[Change]]]
    counts: dict[str, int]
    dead_letters: dict[bytes, int]
    waiting: int
    due: int
    inboxes: int


async def read(server: RedisServer) -> Kept:
    writes = read_writes(server.log_of_writes())
    store = Store(connect(load({}), f"redis://127.0.0.1:{server.port}"))
    reviews = {}
    for review_id in writes.accepted:
        found = await reads.record_and_changes(store, review_id)
        if found is not None:
            reviews[review_id] = found
    kept = Kept(
        writes,
        reviews,
        await counters.read(store),
        await _read_dead_letters(store),
        (await inbox.backlog(store)).reviews,
        await store.redis.zcard(keys.DUE),
        len([name async for name in store.redis.scan_iter(f"*{keys.INBOX_SUFFIX}", count=1000)]),
    )
    await store.close()
    return kept


async def _read_dead_letters(store: Store) -> dict[bytes, int]:
    letters = await dead_letters.read(store, await dead_letters.ids(store))
    return {
        letter.body: 1 + earlier.count
        for letter, earlier in zip(letters, await dead_letters.copies(store, letters), strict=True)
    }
