"""Writing an export of everything into an empty mirror."""

from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import islice
from typing import Any

import msgspec

from mirror.domain.review import text_field
from mirror.storage import keys, reads
from mirror.storage.commit import certainty_index
from mirror.storage.decoding import decode_record
from mirror.storage.frames import compress
from mirror.storage.inbox_entries import decode_entry, encode_entry
from mirror.storage.store import Store
from mirror.transfer.lines import End, ExportError, Line, count, decode

_HASHES = (keys.STATS_PREFIX, keys.INCIDENT_PREFIX)
_SETS = (keys.ABSENT_BUSINESSES, keys.CLOSED_INCIDENTS, keys.HELD_PREFIX)
# Lines that are written in one transaction.
STEP = 200


class NotEmptyError(Exception):
    """The mirror to import into holds something already."""


async def check_empty(store: Store) -> None:
    """Raise NotEmptyError if anything is mirrored, or waits;.

    What an import that was interrupted has left does not count: it is written again.
    """
    if await store.redis.exists(keys.IMPORTING):
        return
    if await reads.ids(store, reads.Query(limit=1)) or await store.redis.zcard(keys.WAITING):
        raise NotEmptyError


def check_complete(lines: Iterable[bytes]) -> End:
    """Read a file through before anything is written. Raises ExportError if it is not a whole export."""
    total, end, number = End(), None, 0
    for number, data in enumerate(lines, 1):
        line = decode(data, number)
        if number == 1 and line.header is None:
            raise ExportError("line 1 is not the header of an export")
        if end is not None:
            raise ExportError(f"line {number} comes after the end of the export")
        end = line.end
        total = count(total, line)
    if end is None or not end.complete:
        raise ExportError("the file ends before the export does: it was cut, or the export was interrupted")
    if end != msgspec.structs.replace(total, complete=True):
        raise ExportError("the file does not hold as many lines as it says: it was changed, or lines are missing")
    return end


async def write(store: Store, lines: Iterable[bytes]) -> AsyncIterator[int]:
    """Write lines that `check_complete` has read; gives, after each piece, how many are written.

    Raises StorageUnavailableError; writing them again, from the first, is harmless.
    """
    numbered, written = enumerate(lines, 1), 0
    await store.redis.set(keys.IMPORTING, b"1")
    while piece := [decode(data, number) for number, data in islice(numbered, STEP)]:
        async with store.redis.pipeline(transaction=True) as pipe:
            for line in piece:
                _write(pipe, line)
            await pipe.execute()
        written += len(piece)
        yield written
    await store.redis.delete(keys.IMPORTING)


def _write(pipe: Any, line: Line) -> None:
    if line.review is not None:
        _write_review(pipe, line, line.review)
    elif line.tombstone is not None:
        pipe.set(keys.record(line.tombstone), compress(bytes(line.record)))
    elif line.waiting is not None:
        _write_waiting(pipe, line, line.waiting)
    elif line.dead_letter is not None:
        pipe.execute_command("HSET", keys.DEAD_LETTERS, line.dead_letter, bytes(line.letter))
    elif line.hash is not None:
        pipe.hset(_checked(line.hash, _HASHES), mapping=line.values)
        if line.hash.startswith(keys.INCIDENT_PREFIX):
            pipe.sadd(keys.INCIDENTS, line.hash.removeprefix(keys.INCIDENT_PREFIX))
    elif line.set is not None:
        pipe.zadd(_checked(line.set, _SETS), line.scores)


def _write_review(pipe: Any, line: Line, review_id: int) -> None:
    record = decode_record(review_id, bytes(line.record))
    partner, business_id = text_field(record.review, "partner"), text_field(record.review, "business_id")
    member = keys.member(review_id)
    pipe.set(keys.record(review_id), compress(bytes(line.record)))
    pipe.delete(keys.changes(review_id))
    pipe.rpush(keys.changes(review_id), *(compress(bytes(change)) for change in line.changes))
    pipe.sadd(keys.PARTNERS, partner)
    indexes = [keys.index(record.status, partner), certainty_index(record)]
    indexes += [keys.business(business_id)] if business_id else []
    for index in filter(None, indexes):
        pipe.zadd(index, {member: 0})
    if line.grace_from is not None:
        pipe.zadd(keys.ABSENCES, {str(review_id): line.grace_from})
    if line.ask_at is not None:
        pipe.zadd(keys.VERIFY, {str(review_id): line.ask_at})


def _write_waiting(pipe: Any, line: Line, review_id: int) -> None:
    pipe.delete(keys.inbox(review_id))
    pipe.rpush(keys.inbox(review_id), *(encode_entry(decode_entry(entry)) for entry in line.inbox))
    pipe.zadd(keys.WAITING, {str(review_id): decode_entry(line.inbox[0]).received_at})
    pipe.zadd(keys.DUE, {str(review_id): 0})


def _checked(name: str, allowed: Sequence[str]) -> str:
    """Return the name of a key that an export may write. Raises ExportError for any other."""
    if not name.startswith(tuple(allowed)):
        raise ExportError(f"{name!a} is no key of an export")
    return name
