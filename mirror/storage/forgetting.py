"""Erasing reviews: the demand that a worker carries out, and what is not reached through an inbox."""

import random
from collections.abc import AsyncIterator, Iterable, Sequence

from mirror.clock import now_ms
from mirror.domain.forgetting import (
    change_names,
    entry_is_by,
    holds,
    make_demand,
    record_is_by,
)
from mirror.domain.inbox import decode_entry
from mirror.domain.lifecycle import Status
from mirror.domain.record import CorruptError, Record
from mirror.domain.unreadable import UNREADABLE
from mirror.storage import dead_letters, inbox, keys, reads
from mirror.storage.decoding import decode_changes, decode_record
from mirror.storage.store import Store

# Few at a time: each key may hold a history, or the deliveries of two days.
_SCAN_STEP = 200


async def demand(store: Store, review_ids: Iterable[int]) -> None:
    """Put a demand to forget into the inbox of each review, behind what waits there, and nudge a worker.

    Raises one of `connection.UNAVAILABLE`; doing it again is harmless.
    """
    at = now_ms()
    demands = [(one, make_demand(one, at, random.getrandbits(48))) for one in review_ids]
    await inbox.put(store, demands, "demands:forget")


async def not_forgotten(store: Store, review_ids: Sequence[int]) -> list[int]:
    """Name those of the reviews that have no tombstone yet. Raises one of `connection.UNAVAILABLE`."""
    if not review_ids:
        return []
    found = await store.redis.mget([keys.record(one) for one in review_ids])
    return [one for one, data in zip(review_ids, found, strict=True) if not _is_tombstone(one, data)]


def _is_tombstone(review_id: int, data: bytes | None) -> bool:
    record = _record(review_id, data)
    return record is not None and record.forgotten_at is not None


def _record(review_id: int, data: bytes | None) -> Record | None:
    try:
        return None if data is None else decode_record(review_id, data)
    except CorruptError:
        return None


async def erase_letters(store: Store, review_ids: Sequence[int], author: str | None) -> list[str]:
    """Throw away the dead letters that concern these reviews or this author, and name them.

    Raises one of `connection.UNAVAILABLE`.
    """
    erased, names = [], await dead_letters.ids(store)
    async for delivery_id in dead_letters.concerning(store, names, frozenset(review_ids), author):
        await dead_letters.drop(store, delivery_id)
        erased.append(delivery_id)
    return erased


async def leave_indexes(store: Store, review_ids: Sequence[int]) -> None:
    """Take forgotten reviews out of every index by status: a corrupt record did not tell in which it stood.

    Raises one of `connection.UNAVAILABLE`.
    """
    members = [keys.member(one) for one in review_ids]
    async with store.redis.pipeline(transaction=False) as pipe:
        for partner in await reads.known_partners(store):
            for status in Status:
                pipe.zrem(keys.index(status, partner), *members)
        await pipe.execute()


async def by_author(store: Store, author: str) -> AsyncIterator[tuple[set[int], int]]:
    """Find the reviews of which a record, a change, a delivery or a corrupt record shows this author.

    Gives them in small sets, a review perhaps more than once, each with how many keys have been looked at. Raises one
    of `connection.UNAVAILABLE`.
    """
    corrupt = await store.redis.execute_command("HGETALL", keys.CORRUPT)
    yield {int(review_id) for review_id, data in corrupt.items() if holds(data, author)}, 0
    cursor, looked_at = 0, 0
    while True:
        cursor, names = await store.redis.scan(cursor, match=f"{keys.REVIEW_PREFIX}*", count=_SCAN_STEP)
        looked_at += _SCAN_STEP
        found = await _values(store, [name.decode() for name in names])
        yield {keys.review_of(name) for name, values in found if _shows(name, values, author)}, looked_at
        if cursor == 0:
            return


async def _values(store: Store, names: Sequence[str]) -> list[tuple[str, list[bytes]]]:
    async with store.redis.pipeline(transaction=False) as pipe:
        for name in names:
            if name.endswith(keys.RECORD_SUFFIX):
                pipe.get(name)
            else:
                pipe.lrange(name, 0, -1)
        found = await pipe.execute()
    # A key may have ended since it was found.
    return [
        (name, value if isinstance(value, list) else [value]) for name, value in zip(names, found, strict=True) if value
    ]


def _shows(name: str, values: Sequence[bytes], author: str) -> bool:
    if name.endswith(keys.RECORD_SUFFIX):
        record = _record(keys.review_of(name), values[0])
        return holds(values[0], author) if record is None else record_is_by(record, author)
    if name.endswith(keys.CHANGES_SUFFIX):
        return any(_names(keys.review_of(name), value, author) for value in values if holds(value, author))
    return any(_is_by(value, author) for value in values)


def _names(review_id: int, change: bytes, author: str) -> bool:
    try:
        return any(change_names(one, author) for one in decode_changes(review_id, [change]))
    except CorruptError:
        return True  # it holds the name


def _is_by(entry: bytes, author: str) -> bool:
    try:
        return entry_is_by(decode_entry(entry), author)
    except UNREADABLE:
        return holds(entry, author)
