"""What Redis kept, read when all is quiet: the order of what it accepted, the records, the histories, the counts."""

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from mirror.domain.changes import Change
from mirror.domain.inbox import Entry, decode_entry
from mirror.domain.record import Record
from mirror.settings import load
from mirror.storage import counters, inbox, keys, reads
from mirror.storage.connection import connect
from mirror.storage.store import Store
from torture.redis_server import RedisServer


class Kept(msgspec.Struct):
    """`accepted`: by review, the entries of its inbox in the order in which they came, since the beginning."""

    accepted: dict[int, list[Entry]]
    reviews: dict[int, tuple[Record, list[Change]]]
    counts: dict[str, int]
    dead_letters: set[str]
    waiting: int
    due: int
    inboxes: int


async def read(server: RedisServer) -> Kept:
    accepted = accepted_entries(server.log_of_writes())
    store = Store(connect(load({}), f"redis://127.0.0.1:{server.port}"))
    reviews = {}
    for review_id in accepted:
        found = await reads.record_and_changes(store, review_id)
        if found is not None:
            reviews[review_id] = found
    kept = Kept(
        accepted,
        reviews,
        await counters.read(store),
        {name.decode() for name in await store.redis.execute_command("HKEYS", keys.DEAD_LETTERS)},
        (await inbox.backlog(store)).reviews,
        await store.redis.zcard(keys.DUE),
        len([name async for name in store.redis.scan_iter(f"*{keys.INBOX_SUFFIX}", count=1000)]),
    )
    await store.close()
    return kept


def accepted_entries(commands: Iterable[list[bytes]]) -> dict[int, list[Entry]]:
    """Find in a log of writes what was put into the inboxes."""
    accepted: dict[int, list[Entry]] = defaultdict(list)
    prefix, suffix = keys.REVIEW_PREFIX.encode(), keys.INBOX_SUFFIX.encode()
    for command in commands:
        if command[0].upper() == b"RPUSH" and command[1].endswith(suffix):
            review_id = int(command[1].removeprefix(prefix).removesuffix(suffix))
            accepted[review_id] += [decode_entry(data) for data in command[2:]]
    return accepted
