"""The decision table: what one delivery means for one review. Pure: performs no I/O, and time is an argument.

    record        delivery                                          decision
    ------------  ------------------------------------------------  -----------------------------------------------
    none          live / deleted                                    first_seen: live / missing
    any           same as the record's current payload              unchanged
    any           in doubt, and a redelivery that was first sent    stale: its acknowledgement had got lost, or it
                  before what made the last change                  had been answered with 503
    live          live, clock older                                 stale
    live          live, clock equal or newer, differs               updated
    live          deleted, delete_date that an absence already had  stale: a late copy of an old deletion
    live          deleted otherwise                                 vanished (ambiguous: delete_date before the clock,
                                                                    or a deletion without one that was left just now)
    missing/gone  live, clock older than the last live snapshot's   stale
    missing/gone  live otherwise, also when identical to it         reappeared
    missing/gone  deleted, differs, delete_date older               stale
    missing/gone  deleted, differs, delete_date not older           updated, still missing

"Same" compares the review object over all its fields. The order in which Redis accepted the deliveries decides; a
decision that this order alone cannot vouch for is applied and marked ambiguous.
"""

from typing import Any

from mirror.domain import doubt
from mirror.domain.changes import Difference, Kind, difference
from mirror.domain.decisions import (
    Case,
    Decision,
    Doubt,
    case_of,
    changed,
    delete_date,
    first_seen,
    remember,
    stale,
    unchanged,
    with_delete_date,
)
from mirror.domain.lifecycle import TRANSITIONS, Status, Trigger
from mirror.domain.record import Delivery, Record, Windows
from mirror.domain.review import clock, delete_clock, is_deleted, is_older


def reduce(record: Record | None, delivery: Delivery, windows: Windows) -> Decision:
    """Decide what a delivery means for a review. Never raises for a review object that `wire.decode` let through."""
    if record is None:
        return first_seen(delivery)
    case = case_of(record, delivery)
    delta = difference(record.review, delivery.review)
    if not delta.fields:
        return unchanged(case)
    decision = _judge(case, delta, windows)
    if decision.change is not None and decision.doubt and _is_late(case):
        return stale(case, "a redelivery: it was first sent before what made the last change", Doubt.UNPROVEN)
    return decision


def _judge(case: Case, delta: Difference, windows: Windows) -> Decision:
    deleted = is_deleted(case.delivery.review)
    if case.record.status is Status.LIVE:
        return _vanish(case, delta, windows) if deleted else _update_live(case, delta, windows)
    return _update_missing(case, delta, windows) if deleted else _reappear(case, windows)


def _is_late(case: Case) -> bool:
    """Tell whether it was first offered before what made the last change, and has not been accepted since then."""
    record, offered_at = case.record, case.delivery.offered_at
    if offered_at is None:
        return False
    # What made that change may itself have been offered long before it was accepted.
    before_the_last_change = offered_at < (record.last_offered_at or record.last_changed_at)
    # Another web process may have stored it before the one that had to refuse it could tell Redis of that.
    same = record.last_live is not None and not difference(record.last_live, case.delivery.review).fields
    return before_the_last_change and not (same and offered_at < record.live_received_at)


def _update_live(case: Case, delta: Difference, windows: Windows) -> Decision:
    mirrored, shown = case.record.review, case.delivery.review
    if is_older(clock(shown), clock(mirrored)):
        return stale(case, "its clock is older than the mirrored one")
    return changed(
        case,
        Kind.UPDATED,
        delta,
        doubt.of_update(case, windows),
        review=shown,
        live_received_at=case.at,
        left=_left_after(case.record, mirrored, shown),
    )


def _vanish(case: Case, delta: Difference, windows: Windows) -> Decision:
    record, deletion = case.record, case.delivery.review
    if delete_date(deletion) in record.delete_dates:
        # Should Google lose a review twice at one moment, only Partoo can tell: it is asked.
        return stale(case, "an earlier absence already had its delete_date", Doubt.UNPROVEN)
    return changed(
        case,
        Kind.VANISHED,
        delta,
        doubt.of_vanishing(case, windows),
        status=TRANSITIONS[record.status, Trigger.DELETED],
        review=deletion,
        last_live=record.review,
        missing_since=case.at,
        delete_dates=with_delete_date(record.delete_dates, deletion),
    )


def _update_missing(case: Case, delta: Difference, windows: Windows) -> Decision:
    record, deletion = case.record, case.delivery.review
    if is_older(delete_clock(deletion), delete_clock(record.review)):
        return stale(case, "its delete_date is older than the mirrored one")
    return changed(
        case,
        Kind.UPDATED,
        delta,
        doubt.of_deletion(case, windows),
        status=TRANSITIONS[record.status, Trigger.DELETED],
        review=deletion,
        delete_dates=with_delete_date(record.delete_dates, deletion),
    )


def _reappear(case: Case, windows: Windows) -> Decision:
    record, shown = case.record, case.delivery.review
    last_live = record.last_live
    if last_live is not None and is_older(clock(shown), clock(last_live)):
        return stale(case, "its clock is older than the last live snapshot's")
    delta = difference(record.review if last_live is None else last_live, shown)
    as_before = last_live is not None and not delta.fields
    left = record.left if last_live is None or as_before else _left_after(record, last_live, shown)
    return changed(
        case,
        Kind.REAPPEARED,
        delta,
        doubt.of_reappearance(case, windows, as_before=as_before),
        missing_for=case.at - (record.missing_since or case.at),
        status=TRANSITIONS[record.status, Trigger.SHOWN],
        review=shown,
        last_live=None,
        missing_since=None,
        reappearances=record.reappearances + 1,
        live_received_at=case.at,
        left=remember(left, record.review),
    )


def _left_after(record: Record, before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    """Return the states left, once `before` gives way to `after`; a newer clock makes all of them stale anyway."""
    return () if is_older(clock(before), clock(after)) else remember(record.left, before)
