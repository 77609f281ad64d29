"""Reading histories in pieces, the newest change first: a long one must neither block Redis nor fill this process."""

from collections.abc import AsyncIterator, Callable
from typing import Protocol, TypeVar

import msgspec

from mirror.domain.changes import Change
from mirror.domain.record import CorruptError, Record
from mirror.storage import keys
from mirror.storage.decoding import decode_changes, decode_record, reading
from mirror.storage.frames import plain_size
from mirror.storage.store import Store

# Changes read at a time: few at first, as each may weigh two bodies, then more or fewer by what they weigh.
FIRST_PIECE = 8
MAX_PIECE = 500
PIECE_BYTES = 512 * 1024
# A history whose places move while it is read, as it is trimmed or rebuilt, is read again.
_ATTEMPTS = 5


class MovedError(Exception):
    """A history was trimmed, rebuilt or erased while it was read."""


class Extent(msgspec.Struct, frozen=True):
    """What a history was when reading it began: how many changes it had, and the oldest of them as stored."""

    length: int
    oldest: bytes | None


class Walker(Protocol):
    """What reads a history backwards."""

    def take(self, change: Change, /) -> bool:
        """Take the next older change; tells whether no more are needed. Raises CorruptError."""
        ...


W = TypeVar("W", bound=Walker)


class Collector:
    """Takes all changes of a history."""

    def __init__(self, _record: Record) -> None:
        self._newest_first: list[Change] = []

    def take(self, change: Change) -> bool:
        self._newest_first.append(change)
        return False

    @property
    def changes(self) -> list[Change]:
        """The changes, the oldest first."""
        return self._newest_first[::-1]


async def walk(store: Store, review_id: int, start: Callable[[Record], W]) -> tuple[Record, W] | None:
    """Go back over a review's history with what `start` makes of its record; None if it is not mirrored.

    What is added meanwhile is not seen: record and history belong together. Raises CorruptError.
    """
    for _ in range(_ATTEMPTS):
        found = await begin(store, review_id)
        if found is None:
            return None
        record, extent = found
        walker = start(record)
        try:
            async for change in newest_first(store, review_id, extent):
                if walker.take(change):
                    break
        except MovedError:
            continue
        return record, walker
    raise CorruptError(review_id, "its history changes each time it is read")


async def begin(store: Store, review_id: int) -> tuple[Record, Extent] | None:
    """Read a review's record, and how far its history goes; None if it is not mirrored.

    Raises CorruptError.
    """
    name = keys.changes(review_id)
    with reading(review_id):
        async with store.redis.pipeline(transaction=True) as pipe:
            pipe.get(keys.record(review_id))
            pipe.llen(name)
            pipe.lindex(name, 0)
            data, length, oldest = await pipe.execute()
        if data is None:
            return None
        record = decode_record(review_id, data)
    if not length and record.forgotten_at is None:
        raise CorruptError(review_id, "its history is missing")
    return record, Extent(length, oldest)


async def newest_first(store: Store, review_id: int, extent: Extent) -> AsyncIterator[Change]:
    """Give the changes of a history as it was when reading it began.

    Raises MovedError or CorruptError.
    """
    if extent.oldest is None:
        return
    (oldest,) = decode_changes(review_id, [extent.oldest])
    if oldest.version != 1 and oldest.trimmed is None:
        raise _out_of_order(review_id)
    async for start, entries in pieces(store, review_id, extent):
        changes = decode_changes(review_id, entries)
        if [change.version for change in changes] != [
            *range(oldest.version + start, oldest.version + start + len(changes))
        ]:
            raise _out_of_order(review_id)
        for change in reversed(changes):
            yield change


async def pieces(store: Store, review_id: int, extent: Extent) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Give the entries of a history, whatever they are, in pieces from its end; each with the place where it begins.

    Raises MovedError, or CorruptError where the key holds no history.
    """
    name, end, size = keys.changes(review_id), extent.length, FIRST_PIECE
    while end:
        start = max(0, end - size)
        with reading(review_id):
            async with store.redis.pipeline(transaction=True) as pipe:
                pipe.lindex(name, 0)
                pipe.lrange(name, start, end - 1)
                oldest, entries = await pipe.execute()
        if oldest != extent.oldest or len(entries) != end - start:
            raise MovedError
        yield start, entries
        end = start
        size = _next_size(len(entries), sum(map(plain_size, entries)))


def _next_size(count: int, weight: int) -> int:
    return max(1, min(2 * count, MAX_PIECE, PIECE_BYTES * count // max(1, weight)))


def _out_of_order(review_id: int) -> CorruptError:
    return CorruptError(review_id, "its history is out of order")
