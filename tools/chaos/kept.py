"""What Redis kept, read when all is quiet: the order of what it accepted, the records, the histories, the counts."""

import msgspec

from mirror.domain.changes import Change
from mirror.domain.record import Record
from mirror.settings import load
from mirror.storage import counters, inbox, keys, reads
from mirror.storage.connection import connect
from mirror.storage.store import Store
from tools.chaos.redis_server import RedisServer
from tools.chaos.writes import Writes, read_writes


class Kept(msgspec.Struct):
    """What Redis holds now, and what it wrote until now."""

    writes: Writes
    reviews: dict[int, tuple[Record, list[Change]]]
    counts: dict[str, int]
    dead_letters: set[str]
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
        {name.decode() for name in await store.redis.execute_command("HKEYS", keys.DEAD_LETTERS)},
        (await inbox.backlog(store)).reviews,
        await store.redis.zcard(keys.DUE),
        len([name async for name in store.redis.scan_iter(f"*{keys.INBOX_SUFFIX}", count=1000)]),
    )
    await store.close()
    return kept
