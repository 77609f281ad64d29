"""What Redis kept, read when all is quiet: the order of what it accepted, the records, the histories, the counts."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec

from mirror.domain.changes import Change
from mirror.domain.inbox import Entry, decode_entry
from mirror.domain.record import Record
from mirror.settings import load
from mirror.storage import counters, inbox, keys, reads
from mirror.storage.connection import connect
from mirror.storage.store import Store
from torture.redis_server import RedisServer


class Writes(msgspec.Struct):
    """What stands in Redis's own log of writes.

    `accepted`: by review, the entries of its inbox in the order in which they came, since the beginning. `commits`: how
    often a record or a history was written. `split`: the reviews of those that did not take anything out of the inbox
    in the same step.
    """

    accepted: dict[int, list[Entry]]
    commits: int
    split: list[int]


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


def read_writes(commands: Iterable[list[bytes]]) -> Writes:
    """Find in a log of writes what was put into the inboxes, and what was committed without being taken out of them."""
    writes = Writes(defaultdict(list), 0, [])
    for step in _steps(commands):
        changed: set[int] = set()
        shortened: set[int] = set()
        for name, *arguments in step:
            review_id, part = _key_of_review(arguments[0])
            if part == keys.INBOX_SUFFIX and name == b"RPUSH":
                writes.accepted[review_id] += [decode_entry(data) for data in arguments[1:]]
            elif part == keys.INBOX_SUFFIX and name == b"LTRIM":
                shortened.add(review_id)
            elif part in (keys.RECORD_SUFFIX, keys.CHANGES_SUFFIX):
                changed.add(review_id)
        writes.commits += len(changed)
        writes.split += changed - shortened
    return writes


def _steps(commands: Iterable[list[bytes]]) -> Iterator[list[list[bytes]]]:
    """Give what was executed in one step each: a transaction or script, or a command by itself."""
    step: list[list[bytes]] | None = None
    for command in commands:
        name = command[0].upper()
        if name == b"MULTI":
            step = []
        elif name == b"EXEC":
            yield step or []
            step = None
        elif len(command) > 1:
            named = [name, *command[1:]]
            if step is None:
                yield [named]
            else:
                step.append(named)


def _key_of_review(key: bytes) -> tuple[int, str]:
    """Take the name of a key apart: of which review it is, and which part of it; "" where it is no review's."""
    text = key.decode(errors="replace")
    head, brace, tail = text.removeprefix(keys.REVIEW_PREFIX).partition("}")
    return (int(head), brace + tail) if text.startswith(keys.REVIEW_PREFIX) and head.isdigit() else (-1, "")
