"""Replaying a stored review, and putting what the replay gives in the place of what is stored."""

import hashlib

import msgspec

from mirror.domain.absences import scope
from mirror.domain.history import first_payload, records
from mirror.domain.inbox import decode_entry
from mirror.domain.incidents import business_scope, partner_scope
from mirror.domain.lifecycle import Status
from mirror.domain.record import CorruptError, Record
from mirror.domain.replaying import Comparison, Stored
from mirror.domain.review import text_field
from mirror.storage import keys, reads
from mirror.storage.absences import Correction, corrections
from mirror.storage.decoding import decode_changes, decode_record, reading
from mirror.storage.store import Store

_ENCODE = msgspec.json.Encoder().encode


class Snapshot(msgspec.Struct, frozen=True):
    """What a review's keys held when it was read: its record, empty if there was none, and a digest of its history."""

    record: bytes
    history: str


async def read(store: Store, review_id: int) -> tuple[Stored, Snapshot]:
    """Read a review with its kept deliveries.

    Raises CorruptError if its history or its deliveries cannot be read, or one of `connection.UNAVAILABLE`.
    """
    with reading(review_id):
        async with store.redis.pipeline(transaction=True) as pipe:
            pipe.get(keys.record(review_id))
            pipe.lrange(keys.changes(review_id), 0, -1)
            pipe.lrange(keys.deliveries(review_id), 0, -1)
            data, changes, deliveries = await pipe.execute()
        entries = [decode_entry(entry) for entry in deliveries]
    try:
        record = None if data is None else decode_record(review_id, data)
    except CorruptError:
        record = None
    snapshot = Snapshot(data or b"", hashlib.sha1(b"".join(changes), usedforsecurity=False).hexdigest())
    return Stored(review_id, record, decode_changes(review_id, changes), entries), snapshot


async def rebuild(store: Store, comparison: Comparison, stored: Stored, snapshot: Snapshot) -> bool:
    """Put the replayed record and history in the place of a review's, in one compare-and-set.

    The counts of absences follow; what incidents counted stays. Returns False, and changes nothing, where a delivery
    waits or has been applied since the snapshot. Raises one of `connection.UNAVAILABLE`; then it may or may not have
    been done, and doing it again is harmless.
    """
    before, after, review_id = stored.record, comparison.record, comparison.review_id
    if after is None:
        return False
    partner, business_id = text_field(after.review, "partner"), text_field(after.review, "business_id")
    key_names = [keys.record(review_id), keys.inbox(review_id), keys.changes(review_id)]
    key_names += [keys.PARTNERS, keys.FEED, keys.CORRUPT, keys.ABSENCES, keys.ABSENT_BUSINESSES]
    key_names += _held(before or after)
    indexes = await _indexes_to_leave(store, before)
    corrections = _corrections(stored, comparison, after)
    args = [
        snapshot.record,
        snapshot.history,
        _ENCODE(after),
        review_id,
        keys.member(review_id),
        partner,
        keys.index(after.status, partner),
        keys.business(business_id) if business_id else "",
        keys.FEED_LENGTH,
        after.version,
        comparison.changes[-1].delivery_id,
        after.missing_since if after.status is Status.MISSING else "",
        keys.STATS_PREFIX,
        len(comparison.changes),
        *(_ENCODE(change) for change in comparison.changes),
        len(indexes),
        *indexes,
        len(corrections),
        *(value for one in corrections for value in msgspec.structs.astuple(one)),
    ]
    return bool(await store.rebuild(keys=key_names, args=args))


def _corrections(stored: Stored, comparison: Comparison, after: Record) -> list[Correction]:
    """Tell how the counts of absences change; of a stored history that cannot be followed nothing is known of them."""
    try:
        # Without a record, what the replay gives leads back as far as statuses, partner and business go.
        counted = records(first_payload(stored.record or after, stored.changes), stored.changes)
        replayed = records(first_payload(after, comparison.changes), comparison.changes)
    except CorruptError:
        return []
    return corrections(counted, replayed)


def _held(record: Record) -> list[str]:
    """Name what incidents of the review's scopes hold."""
    partner, business_id = scope(record)
    scopes = [business_scope(business_id)] if business_id else []
    scopes += [partner_scope(partner)] if partner else []
    return [keys.HELD_PREFIX + name for name in scopes]


async def _indexes_to_leave(store: Store, before: Record | None) -> list[str]:
    if before is not None:
        business_id = text_field(before.review, "business_id")
        left = [keys.index(before.status, text_field(before.review, "partner"))]
        return [*left, keys.business(business_id)] if business_id else left
    # A record that cannot be read does not tell where its review stands.
    return [keys.index(status, partner) for partner in await reads.known_partners(store) for status in Status]
