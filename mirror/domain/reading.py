"""A reading: what Partoo's REST API said of a review when it was asked. Performs no I/O.

A reading has what a delivery lacks: it is known for which moment it speaks. So it is taken for true whatever the clocks
in it say, unless a delivery was accepted at that moment or after it: the delivery may tell of something later.

An absence is a reading of another kind: Partoo showed the review nowhere. It says less, so it is applied as a deletion
in doubt: ambiguous.
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
    unchanged,
    with_delete_date,
)
from mirror.domain.inbox import Entry
from mirror.domain.lifecycle import TRANSITIONS, Status, Trigger
from mirror.domain.record import Delivery, Record
from mirror.domain.review import clock, is_deleted, is_older
from mirror.domain.unreadable import UNREADABLE
from mirror.domain.wire import UndecodableError, decode_review

SOURCES = frozenset({Source.VERIFICATION, Source.RECONCILIATION})
# By how much the clocks of our own processes may differ: a delivery accepted so shortly before the question may have
# been accepted after it.
OVERTAKEN_MS = 2_000
# For how long after a delivery Partoo's search may not show it yet.
BEHIND_MS = 600_000


class _Asked(msgspec.Struct, frozen=True):
    observed_at: int
    absent: bool = False


_ASKED = msgspec.json.Decoder(_Asked)


def encode_reading(review: dict[str, Any], observed_at: int) -> bytes:
    """Make the body of an inbox entry; `observed_at`: when Partoo was asked, in milliseconds since 1970 UTC."""
    return msgspec.json.encode(_event(review, observed_at))


def encode_absence(live: dict[str, Any], observed_at: int) -> bytes:
    """Make the body of an inbox entry that tells that Partoo no longer showed a review, of which `live` is known."""
    return msgspec.json.encode({**_event(_deleted(live), observed_at), "absent": True})


def _event(review: dict[str, Any], observed_at: int) -> dict[str, Any]:
    return {"type": "review_updated", "observed_at": observed_at, "payload": {"review": review}}


def _deleted(review: dict[str, Any]) -> dict[str, Any]:
    return {**review, "state": "deleted"}


def take(record: Record | None, entry: Entry) -> Decision:
    """Decide what a reading means for a review. Raises UndecodableError if the entry does not hold one."""
    review, asked = decode_review(entry.body).review, _asked(entry.body)
    if record is not None and asked.absent:
        # What is absent is the review as it is known now: news may have been applied since the entry was made.
        review = _deleted(record.review)
    delivery = Delivery(entry.delivery_id, entry.received_at, review, entry.source)
    return first_seen(delivery) if record is None else _take(case_of(record, delivery), asked)


def _take(case: Case, asked: _Asked) -> Decision:
    record, review = case.record, case.delivery.review
    if record.last_received_at > asked.observed_at - OVERTAKEN_MS:
        return _refuse(case, "a delivery was accepted since Partoo was asked", _still(record))
    if asked.absent and record.status is not Status.LIVE:
        return _refuse(case, "it is missing already", Doubt.AMBIGUOUS if record.ambiguous else Doubt.NONE)
    if _is_behind(case, asked):
        return _refuse(case, "Partoo's answer is older than what a delivery has shown", _still(record))
    delta = difference(record.review, review)
    if not delta.fields:
        return changed(case, Kind.CONFIRMED, delta, Doubt.NONE) if record.ambiguous else unchanged(case)
    if is_deleted(review):
        return _deletion(case, delta, Doubt.AMBIGUOUS if asked.absent else Doubt.NONE)
    return _there(case, delta)


def _asked(body: bytes) -> _Asked:
    try:
        return _ASKED.decode(body)
    except UNREADABLE as error:
        raise UndecodableError("not_a_reading", f"the entry does not tell when Partoo was asked: {error}") from None


def _refuse(case: Case, reason: str, doubt: Doubt) -> Decision:
    """Leave the record wholly as it is: a reading that is refused must not make the next one look overtaken."""
    return Decision("stale", case.delivery, case.record, reason=reason, doubt=doubt)


def _is_behind(case: Case, asked: _Asked) -> bool:
    """Tell whether what answers at Partoo has not caught up yet with what a delivery has shown.

    Clocks are compared by the second, as an answer may be written less finely than a webhook; and past BEHIND_MS it
    is what Partoo has, whatever its clock says.
    """
    live = case.record.live_snapshot
    recent = case.record.last_received_at > asked.observed_at - BEHIND_MS
    return recent and live is not None and is_older(_second(clock(case.delivery.review)), _second(clock(live)))


def _second(moment: int | None) -> int | None:
    return None if moment is None else moment // 1_000_000


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


def _deletion(case: Case, delta: Difference, doubt: Doubt) -> Decision:
    record, deletion = case.record, case.delivery.review
    known: dict[str, Any] = {
        "status": TRANSITIONS[record.status, Trigger.DELETED],
        "review": deletion,
        "delete_dates": with_delete_date(record.delete_dates, deletion),
    }
    if record.status is not Status.LIVE:
        return changed(case, Kind.UPDATED, delta, Doubt.NONE, **known)
    return changed(case, Kind.VANISHED, delta, doubt, last_live=record.review, missing_since=case.at, **known)
