"""Reading the feed: its entries from a cursor on, and what each of them stands for."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mirror.absence_views import incident_view
from mirror.domain.changes import Change
from mirror.domain.feed import FORGOTTEN, REPLAYED, Bounds, Entry, Position, Shown, state_after, states_in_history
from mirror.domain.record import CorruptError, Record
from mirror.storage import keys, reads
from mirror.storage.decoding import decode_changes, decode_record, reading
from mirror.storage.errors import CommandRefusedError
from mirror.storage.incidents import decode_facts
from mirror.storage.store import Store

# Changes of a review that are read along with its record: an entry is rarely further back when it is shown.
_TAIL = 8
Tail = tuple[Record, list[Change]]  # a record, and the last changes of its history, the oldest first


async def bounds(store: Store) -> Bounds:
    """Tell what the feed holds."""
    try:
        return _bounds(await store.redis.xinfo_stream(keys.FEED))
    except CommandRefusedError as error:
        if "no such key" in str(error):
            return Bounds()
        raise


async def read(store: Store, after: Position, limit: int) -> list[Entry]:
    """Read up to `limit` entries behind a cursor, the oldest first.

    Raises CursorExpiredError where one that followed it is not kept any more.
    """
    async with store.redis.pipeline(transaction=True) as pipe:
        pipe.xinfo_stream(keys.FEED)
        pipe.xrange(keys.FEED, f"({after}", "+", limit)
        info, entries = await pipe.execute(raise_on_error=False)
    if isinstance(info, Exception) and "no such key" not in str(info):
        raise info
    if isinstance(entries, Exception):
        raise entries
    (Bounds() if isinstance(info, Exception) else _bounds(info)).check(after)
    return [_entry(position, fields) for position, fields in entries]


async def peek(store: Store, after: Position, limit: int) -> list[Entry]:
    """Read entries behind a cursor, whether any before them are kept or not."""
    return [_entry(*one) for one in await store.redis.xrange(keys.FEED, f"({after}", "+", limit)]


async def latest(store: Store, limit: int) -> list[Entry]:
    """Read the newest entries, the newest first."""
    return [_entry(*one) for one in await store.redis.xrevrange(keys.FEED, "+", "-", limit)]


def _bounds(info: Mapping[str, object]) -> Bounds:
    first, last = info["first-entry"], info["last-generated-id"]
    length = int(str(info["length"]))
    # Redis 6 does not count what was added.
    trimmed = info["entries-added"] != length if "entries-added" in info else length >= keys.FEED_LENGTH
    return Bounds(
        first=None if first is None else _position(first[0]),  # type: ignore[index]
        last=_position(last),
        trimmed=trimmed,
    )


def _position(value: object) -> Position:
    return Position.read(value.decode() if isinstance(value, bytes) else str(value))


def _entry(position: bytes, fields: Mapping[bytes, bytes]) -> Entry:
    told = {name.decode(): value for name, value in fields.items()}
    return Entry(
        position=_position(position),
        kind=told["kind"].decode(),
        review_id=int(told.get("review_id", 0)),
        version=int(told.get("version", 0)),
        delivery_id=told.get("delivery_id", b"").decode(),
        facts=_facts(told["kind"], told["facts"]) if "facts" in told else None,
    )


def _facts(kind: bytes, data: bytes) -> dict[str, Any]:
    if not kind.startswith(b"incident."):
        facts: dict[str, Any] = msgspec.json.decode(data)
        return facts
    incident = decode_facts(data)
    return {"scope": incident.scope, **incident_view(incident)}


async def show(store: Store, entries: Sequence[Entry]) -> list[Shown]:
    """Read what entries stand for, in their order.

    What cannot be read of a review is shown without its change: the entry itself is never left out.
    """
    wanted = sorted({entry.review_id for entry in entries if entry.facts is None and entry.kind != FORGOTTEN})
    known = dict(zip(wanted, await tails(store, wanted), strict=True)) if wanted else {}
    shown = {entry.position: _show(entry, known.get(entry.review_id)) for entry in entries}
    further_back: dict[int, list[Entry]] = {}
    for entry in entries:
        if shown[entry.position] is None:
            further_back.setdefault(entry.review_id, []).append(entry)
    for review_id, some in further_back.items():
        shown |= await _show_of_whole(store, review_id, some)
    return [shown[entry.position] or Shown(entry) for entry in entries]


async def tails(store: Store, review_ids: Sequence[int]) -> list[Tail | None]:
    """Read records with the last changes of their histories; None for what is not mirrored or cannot be read."""
    async with store.redis.pipeline(transaction=True) as pipe:
        for review_id in review_ids:
            pipe.get(keys.record(review_id))
            pipe.lrange(keys.changes(review_id), -_TAIL, -1)
        found = await pipe.execute(raise_on_error=False)
    return [_tail(one, *pair) for one, pair in zip(review_ids, zip(found[::2], found[1::2], strict=True), strict=True)]


def _tail(review_id: int, data: object, entries: object) -> Tail | None:
    try:
        with reading(review_id):
            for answer in (data, entries):
                if isinstance(answer, Exception):
                    raise answer
            if not isinstance(data, bytes) or not isinstance(entries, list):
                return None
            return decode_record(review_id, data), decode_changes(review_id, entries)
    except CorruptError:
        return None


def _show(entry: Entry, known: Tail | None) -> Shown | None:
    """Show an entry by the end of its review's history; None where that does not reach back to it."""
    if known is None or known[0].forgotten_at is not None:
        return Shown(entry)
    record, tail = known
    if entry.kind == REPLAYED:
        return Shown(entry, None, record if record.version == entry.version else None)
    change = next((one for one in tail if one.version == entry.version), None)
    state = None if change is None else state_after(record, [one for one in tail if one.version > entry.version])
    return None if state is None else Shown(entry, change, state)


async def _show_of_whole(store: Store, review_id: int, entries: Sequence[Entry]) -> dict[Position, Shown | None]:
    """Show entries of one review by its whole history, which is read and gone through once for all of them."""
    try:
        found = await reads.record_and_changes(store, review_id)
        if found is None or found[0].forgotten_at is not None:
            return {}
        record, changes = found
        by_version = {change.version: change for change in changes}
        states = states_in_history(record, changes, {entry.version for entry in entries})
    except CorruptError:
        return {}
    return {entry.position: Shown(entry, by_version.get(entry.version), states.get(entry.version)) for entry in entries}
