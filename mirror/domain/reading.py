"""A reading: what Partoo's REST API said of a review when it was asked. Performs no I/O.

A reading has what a delivery lacks: it is known for which moment it speaks. So it is taken for true whatever the clocks
in it say, unless a delivery was accepted at that moment or after it: the delivery may tell of something later.
"""

from typing import Any

import msgspec

from mirror.domain.changes import Difference, Kind, Source, difference
from mirror.domain.decisions import (
    Case,
    Decision,
    Doubt,
    case_of,
    changed,
    first_seen,
    remember,
    stale,
    unchanged,
    with_delete_date,
)
from mirror.domain.inbox import Entry
from mirror.domain.lifecycle import TRANSITIONS, Status, Trigger
from mirror.domain.record import Delivery, Record
from mirror.domain.review import clock, is_deleted, is_older
from mirror.domain.wire import UndecodableError, decode_review

SOURCES = frozenset({Source.VERIFICATION, Source.RECONCILIATION})
# By how much the clocks of our own processes may differ: a delivery accepted so shortly before the question may have
# been accepted after it.
OVERTAKEN_MS = 2_000


class _Asked(msgspec.Struct, frozen=True):
    observed_at: int


_ASKED = msgspec.json.Decoder(_Asked)


def encode_reading(review: dict[str, Any], observed_at: int) -> bytes:
    """Make the body of an inbox entry; `observed_at`: when Partoo was asked, in milliseconds since 1970 UTC."""
    event = {"type": "review_updated", "observed_at": observed_at, "payload": {"review": review}}
    return msgspec.json.encode(event)


def take(record: Record | None, entry: Entry) -> Decision:
    """Decide what a reading means for a review. Raises UndecodableError if the entry does not hold one."""
    review, observed_at = decode_review(entry.body).review, _observed_at(entry.body)
    delivery = Delivery(entry.delivery_id, entry.received_at, review, entry.source)
    if record is None:
        return first_seen(delivery)
    case = case_of(record, delivery)
    if record.last_received_at > observed_at - OVERTAKEN_MS:
        return stale(case, "a delivery was accepted since Partoo was asked", _still(record))
    live = record.live_snapshot
    if live is not None and is_older(clock(review), clock(live)):
        return stale(case, "Partoo's answer is older than what a delivery has shown", _still(record))
    delta = difference(record.review, review)
    if not delta.fields:
        return changed(case, Kind.CONFIRMED, delta, Doubt.NONE) if record.ambiguous else unchanged(case)
    if is_deleted(review):
        return _absent(case, delta)
    return _there(case, delta)


def _observed_at(body: bytes) -> int:
    try:
        return _ASKED.decode(body).observed_at
    except msgspec.DecodeError as error:
        raise UndecodableError("not_a_reading", f"the entry does not tell when Partoo was asked: {error}") from None


def _still(record: Record) -> Doubt:
    return Doubt.AMBIGUOUS if record.ambiguous else Doubt.UNPROVEN


def _there(case: Case, delta: Difference) -> Decision:
    record, shown = case.record, case.delivery.review
    seen: dict[str, Any] = {"review": shown, "live_received_at": case.at, "left": remember(record.left, record.review)}
    if record.status is Status.LIVE:
        return changed(case, Kind.UPDATED, delta, Doubt.NONE, **seen)
    if record.last_live is not None:
        delta = difference(record.last_live, shown)
    return changed(
        case,
        Kind.REAPPEARED,
        delta,
        Doubt.NONE,
        missing_for=case.at - (record.missing_since or case.at),
        status=TRANSITIONS[record.status, Trigger.SHOWN],
        last_live=None,
        missing_since=None,
        reappearances=record.reappearances + 1,
        **seen,
    )


def _absent(case: Case, delta: Difference) -> Decision:
    record, deletion = case.record, case.delivery.review
    known: dict[str, Any] = {
        "status": TRANSITIONS[record.status, Trigger.DELETED],
        "review": deletion,
        "delete_dates": with_delete_date(record.delete_dates, deletion),
    }
    if record.status is not Status.LIVE:
        return changed(case, Kind.UPDATED, delta, Doubt.NONE, **known)
    return changed(case, Kind.VANISHED, delta, Doubt.NONE, last_live=record.review, missing_since=case.at, **known)
