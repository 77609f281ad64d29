"""Replaying a stored review, and putting what the replay gives in the place of what is stored."""

from typing import Any

import msgspec

from mirror.domain.absences import scope
from mirror.domain.changes import BEGINNINGS, Certainty
from mirror.domain.history import first_payload, records
from mirror.domain.incidents import business_scope, partner_scope
from mirror.domain.lifecycle import Status
from mirror.domain.record import CorruptError, Record
from mirror.domain.replaying import Comparison, Stored
from mirror.domain.review import text_field
from mirror.domain.wire import UndecodableError, decode_review
from mirror.storage import histories, keys, reads
from mirror.storage.absences import corrections
from mirror.storage.commit import certainty_index
from mirror.storage.decoding import decode_changes, decode_record, reading
from mirror.storage.frames import compress
from mirror.storage.inbox_entries import decode_entry
from mirror.storage.store import Store

_ENCODE = msgspec.json.Encoder().encode


class Snapshot(msgspec.Struct, frozen=True):
    """What a review's keys held when it was read: its record, empty if there was none, and the ends of its history."""

    record: bytes
    length: int
    oldest: bytes
    newest: bytes


async def read(store: Store, review_id: int) -> tuple[Stored, Snapshot]:
    """Read a review with its kept deliveries.

    Raises CorruptError if its history or its deliveries cannot be read.
    """
    with reading(review_id):
        async with store.redis.pipeline(transaction=True) as pipe:
            pipe.get(keys.record(review_id))
            pipe.llen(keys.changes(review_id))
            pipe.lindex(keys.changes(review_id), 0)
            pipe.lindex(keys.changes(review_id), -1)
            pipe.lrange(keys.deliveries(review_id), 0, -1)
            data, length, oldest, newest, deliveries = await pipe.execute()
        raw = [decode_entry(entry) for entry in deliveries]
    try:
        record = None if data is None else decode_record(review_id, data)
    except CorruptError:
        record = None
    try:
        extent = histories.Extent(length, oldest)
        changes = [piece async for _, piece in histories.pieces(store, review_id, extent)]
    except histories.MovedError:
        return await read(store, review_id)
    told = [change for piece in reversed(changes) for change in decode_changes(review_id, piece)]
    snapshot = Snapshot(data or b"", length, oldest or b"", newest or b"")
    return Stored(review_id, record, told, raw), snapshot


async def rebuild(store: Store, comparison: Comparison, stored: Stored, snapshot: Snapshot) -> bool:
    """Put the replayed record and history in the place of a review's, in one compare-and-set.

    The counts of absences follow; what incidents counted stays. Returns False, and changes nothing, where a delivery
    waits or has been applied since the snapshot. Raises CorruptError, with nothing changed, where a key holds a value
    of another type. After a StorageUnavailableError it may or may not have been done, and doing it again is
    harmless.
    """
    after, review_id = comparison.record, comparison.review_id
    if after is None:
        return False
    followed = _follow(stored)
    before = stored.record or (followed[-1] if followed else None)
    told = records(first_payload(after, comparison.changes), comparison.changes)
    lists: list[list[tuple[Any, ...]]] = [
        [(compress(_ENCODE(change)),) for change in comparison.changes],
        [(name,) for name in await _indexes_to_leave(store, stored.record, before)],
        [(name,) for name in _absences_to_leave(before or after, after)],
        [] if followed is None else [msgspec.structs.astuple(one) for one in corrections(followed, told)],
    ]
    key_names = [keys.record(review_id), keys.inbox(review_id), keys.changes(review_id)]
    key_names += [keys.PARTNERS, keys.FEED, keys.CORRUPT, keys.ABSENCES, keys.ABSENT_BUSINESSES]
    key_names += [keys.HELD_PREFIX + name for name in _scopes(after)]
    partner, business_id = text_field(after.review, "partner"), text_field(after.review, "business_id")
    args = [
        snapshot.record,
        snapshot.length,
        snapshot.oldest,
        snapshot.newest,
        compress(_ENCODE(after)),
        review_id,
        keys.member(review_id),
        partner,
        keys.index(after.status, partner),
        keys.business(business_id) if business_id else "",
        certainty_index(after),
        store.feed_length,
        after.version,
        comparison.changes[-1].delivery_id,
        after.missing_since if after.status is Status.MISSING else "",
        keys.STATS_PREFIX,
    ]
    for rows in lists:
        args += [len(rows), *(value for row in rows for value in row)]
    with reading(review_id):
        return bool(await store.rebuild(keys=key_names, args=args))


def _follow(stored: Stored) -> list[Record] | None:
    """Give the record after each change of the stored history, which tells what has been counted of it.

    None where it does not lead from a beginning, without a hole, to what is stored.
    """
    changes, versions = stored.changes, [change.version for change in stored.changes]
    if (
        not changes
        or changes[0].kind not in BEGINNINGS
        or versions != [*range(versions[0], versions[0] + len(changes))]
    ):
        return None
    try:
        first = _first_delivery(stored) if stored.record is None else first_payload(stored.record, changes)
        followed = None if first is None else list(records(first, changes))
    except (CorruptError, UndecodableError):
        return None
    if followed is None or (stored.record is not None and _state(followed[-1]) != _state(stored.record)):
        return None
    return followed


def _first_delivery(stored: Stored) -> dict[str, Any] | None:
    """Give the payload of the delivery with which the history begins; None where that is not kept.

    Raises UndecodableError.
    """
    first = stored.changes[0].delivery_id
    return next((decode_review(entry.body).review for entry in stored.deliveries if entry.delivery_id == first), None)


def _state(record: Record) -> tuple[Any, ...]:
    return record.version, record.status, record.missing_since, record.reappearances


def _scopes(record: Record) -> list[str]:
    """Name the scopes whose incidents may hold a review."""
    partner, business_id = scope(record)
    scopes = [business_scope(business_id)] if business_id else []
    return [*scopes, partner_scope(partner)] if partner else scopes


def _absences_to_leave(before: Record, after: Record) -> list[str]:
    """Name the sets of recent and of held absences in which the review has no place any more."""
    staying = _scopes(after) if after.status is Status.MISSING else []
    left = [name for name in dict.fromkeys(_scopes(before) + _scopes(after)) if name not in staying]
    return [prefix + name for name in left for prefix in (keys.HELD_PREFIX, keys.RECENT_PREFIX)]


async def _indexes_to_leave(store: Store, stored: Record | None, before: Record | None) -> list[str]:
    business_id = "" if before is None else text_field(before.review, "business_id")
    left = [keys.business(business_id)] if business_id else []
    left += [keys.certainty(certainty) for certainty in Certainty if certainty is not Certainty.PROVEN]
    if stored is not None:
        return [*left, keys.index(stored.status, text_field(stored.review, "partner"))]
    # A record that cannot be read does not tell where its review stands.
    return [*left, *(keys.index(status, partner) for partner in await reads.known_partners(store) for status in Status)]
