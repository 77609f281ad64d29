"""Erasing reviews: the demand that a worker carries out, and what is not reached through an inbox."""

import random
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

import msgspec

from mirror.domain.authors import Author
from mirror.domain.forgetting import make_demand, names_in_change, names_in_entry, names_in_record
from mirror.domain.lifecycle import Status
from mirror.domain.record import UNDECODABLE, CorruptError, Record
from mirror.domain.wire import UndecodableError
from mirror.storage import dead_letters, inbox, keys, reads
from mirror.storage.decoding import decode_changes, decode_record
from mirror.storage.frames import decompress_or_same
from mirror.storage.inbox_entries import decode_entry, plain_entry
from mirror.storage.store import Store

# Few at a time: each key may hold a history, or the deliveries of two days.
_SCAN_STEP = 200


async def demand(store: Store, review_ids: Iterable[int]) -> None:
    """Put a demand to forget into the inbox of each review, behind what waits there, and nudge a worker.

    Raises StorageUnavailableError; doing it again is harmless.
    """
    at = await store.now()
    demands = [(one, make_demand(one, at, random.getrandbits(48))) for one in review_ids]
    await inbox.put(store, demands, "demands:forget")


async def not_forgotten(store: Store, review_ids: Sequence[int]) -> list[int]:
    """Name those of the reviews that have no tombstone yet."""
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


async def erase_letters(store: Store, review_ids: Sequence[int], author: Author | None) -> list[str]:
    """Throw away the dead letters that concern these reviews or this author, and name them."""
    erased, names = [], await dead_letters.ids(store)
    async for delivery_id in dead_letters.concerning(store, names, frozenset(review_ids), author):
        await dead_letters.drop(store, delivery_id)
        erased.append(delivery_id)
    return erased


async def leave_indexes(store: Store, review_ids: Sequence[int]) -> None:
    """Take forgotten reviews out of every index by status: a corrupt record did not tell in which it stood."""
    members = [keys.member(one) for one in review_ids]
    async with store.redis.pipeline(transaction=False) as pipe:
        for partner in await reads.known_partners(store):
            for status in Status:
                pipe.zrem(keys.index(status, partner), *members)
        await pipe.execute()


class Found(msgspec.Struct, frozen=True):
    """Reviews that show an author, and other names that are near; `looked_at` counts the keys that were read so far."""

    reviews: set[int]
    near: set[tuple[str, int]]
    looked_at: int


async def by_author(store: Store, author: Author) -> AsyncIterator[Found]:
    """Find the reviews of which a record, a change, a delivery or a corrupt record shows this author.

    Gives them in small sets, a review perhaps more than once.
    """
    corrupt = await store.redis.execute_command("HGETALL", keys.CORRUPT)
    yield Found(
        {int(review_id) for review_id, data in corrupt.items() if author.stands_in(decompress_or_same(data))}, set(), 0
    )
    cursor, looked_at = 0, 0
    while True:
        cursor, names = await store.redis.scan(cursor, match=f"{keys.REVIEW_PREFIX}*", count=_SCAN_STEP)
        looked_at += _SCAN_STEP
        reviews: set[int] = set()
        near: set[tuple[str, int]] = set()
        for name, values in await _values(store, [name.decode() for name in names]):
            review_id = keys.review_of(name)
            shown, unreadable = _names_in(name, values)
            if any(map(author.is_named, shown)) or any(map(author.stands_in, unreadable)):
                reviews.add(review_id)
            near |= {(other, review_id) for other in shown if author.is_near(other)}
        yield Found(reviews, near, looked_at)
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


def _names_in(name: str, values: Sequence[bytes]) -> tuple[set[str], list[bytes]]:
    """Give the authors' names that a key of a review shows, and those of its values that cannot be read."""
    suffix = "}" + name.partition("}")[2]
    read = _NAMES_IN.get(suffix, _names_in_entry)
    names: set[str] = set()
    unreadable = []
    for value in values:
        try:
            names.update(one for one in read(keys.review_of(name), value) if isinstance(one, str))
        except (UndecodableError, CorruptError, *UNDECODABLE):
            unreadable.append(_plain(value))
    return names, unreadable


def _plain(value: bytes) -> bytes:
    """Make the text of a value readable, whatever it is: compressed as a whole, or but its body."""
    whole = decompress_or_same(value)
    return plain_entry(value) if whole is value else whole


def _names_in_record(review_id: int, data: bytes) -> list[Any]:
    return names_in_record(decode_record(review_id, data))


def _names_in_change(review_id: int, data: bytes) -> list[Any]:
    return [name for change in decode_changes(review_id, [data]) for name in names_in_change(change)]


def _names_in_entry(_review_id: int, data: bytes) -> list[Any]:
    return names_in_entry(decode_entry(data))


_NAMES_IN: dict[str, Callable[[int, bytes], list[Any]]] = {
    keys.RECORD_SUFFIX: _names_in_record,
    keys.CHANGES_SUFFIX: _names_in_change,
}
