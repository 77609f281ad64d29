"""The decision table: what one delivery means for one review. Pure: performs no I/O, and time is an argument.

    record        delivery                                          decision
    ------------  ------------------------------------------------  -----------------------------------------------
    none          live / deleted                                    first_seen: live / missing
    any           same as the record's current payload              unchanged
    any           not proven, and a redelivery that was first sent  stale: its acknowledgement had got lost, or it
                  before what made the last change                  had been answered with 503
    live          live, clock older, a late copy is still possible  stale
    live          live otherwise, differs                           updated
    live          deleted, delete_date that an absence already had  stale: a late copy of an old deletion
    live          deleted otherwise                                 vanished (ambiguous: delete_date before the clock)
    missing/gone  live, clock older than the last live snapshot's,  stale
                  a late copy is still possible
    missing/gone  live otherwise, also when identical to it         reappeared
    missing/gone  deleted, differs, delete_date older, a late copy  stale
                  is still possible
    missing/gone  deleted otherwise, differs                        updated, still missing

"Same" compares the review object over all its fields. A late copy of a state is possible within LATE_WINDOW of the
moment at which the newer state was accepted; `mirror.domain.clocks` says what a clock proves. The order in which Redis
accepted the deliveries decides; what this order alone cannot vouch for is applied, and its certainty says so
(`mirror.domain.certainty`).
"""

from mirror.domain import certainty, previous_states
from mirror.domain.api_fields import adopt
from mirror.domain.changes import Certainty, Difference, Kind, difference
from mirror.domain.clocks import Order, compare, deleted_at, order
from mirror.domain.decisions import (
    Case,
    Decision,
    case_of,
    changed,
    first_seen,
    had_delete_date,
    stale,
    unchanged,
)
from mirror.domain.lifecycle import Status
from mirror.domain.record import Delivery, Record, Windows
from mirror.domain.review import is_deleted
from mirror.domain.transitions import deleted_again, returned, updated, vanished


def reduce(record: Record | None, delivery: Delivery, windows: Windows) -> Decision:
    """Decide what a delivery means for a review. Never raises for a review object that `wire.decode` let through."""
    if record is None:
        return first_seen(delivery)
    record, delivery = adopt(record, delivery)
    case = case_of(record, delivery)
    delta = difference(record.review, delivery.review)
    if not delta.fields:
        return unchanged(case)
    decision = _judge(case, delta, windows)
    doubtful = decision.change is not None and decision.certainty is not Certainty.PROVEN
    if doubtful and _is_late(case):
        return stale(case, "a redelivery: it was first sent before what made the last change", Certainty.UNPROVEN)
    return decision


def _judge(case: Case, delta: Difference, windows: Windows) -> Decision:
    deleted = is_deleted(case.delivery.review)
    if case.record.status is Status.LIVE:
        return _vanish(case, delta, windows) if deleted else _update_live(case, delta, windows)
    return _update_missing(case, delta, windows) if deleted else _reappear(case, windows)


def _is_late(case: Case) -> bool:
    """Tell whether it was first sent before what made the last change, and would have been news then.

    A body that was sent while the review was just as it says changed nothing, whether it was stored or not: it says
    nothing about a return to that state later.
    """
    record, first_attempt_at = case.record, case.delivery.first_attempt_at
    if first_attempt_at is None:
        return False
    # What made that change may itself have been sent long before it was accepted.
    before_the_last_change = first_attempt_at < (record.last_first_attempt_at or record.last_changed_at)
    return before_the_last_change and not _was_current(case, first_attempt_at)


def _was_current(case: Case, moment: int) -> bool:
    record, review = case.record, case.delivery.review
    if record.last_live is not None and not difference(record.last_live, review).fields:
        # Another web process may have stored it before the one that had to refuse it could tell Redis of that.
        accepted_since = moment < record.live_received_at
        return accepted_since or 0 < record.live_since < moment < (record.missing_since or 0)
    known = previous_states.find(record, review)
    return known is not None and 0 < known.since < moment < known.until


def _update_live(case: Case, delta: Difference, windows: Windows) -> Decision:
    clock = compare(case.shown, case.record.current)
    if clock is Order.OLDER and _late_copy_possible(case, case.record.since, windows):
        return stale(case, "its clock is older than the mirrored one", certainty.of_stale_update(case))
    return changed(
        case,
        Kind.UPDATED,
        delta,
        certainty.of_update(case, clock, windows),
        **updated(case, case.delivery.review),
    )


def _late_copy_possible(case: Case, newer_since: int, windows: Windows) -> bool:
    """Tell whether what was sent before the newer state, which was accepted at that moment, may still arrive."""
    return case.at - (newer_since or case.record.last_changed_at) < windows.late


def _vanish(case: Case, delta: Difference, windows: Windows) -> Decision:
    if had_delete_date(case.record, case.shown):
        # Should Google lose a review twice at one moment, only Partoo can tell: it is asked.
        return stale(case, "an earlier absence already had its delete_date", Certainty.UNPROVEN)
    return changed(
        case,
        Kind.VANISHED,
        delta,
        certainty.of_vanishing(case, windows),
        **vanished(case, case.delivery.review),
    )


def _update_missing(case: Case, delta: Difference, windows: Windows) -> Decision:
    record = case.record
    older = order(deleted_at(case.shown), deleted_at(record.current)) is Order.OLDER
    if older and _late_copy_possible(case, record.since, windows):
        return stale(case, "its delete_date is older than the mirrored one", Certainty.UNPROVEN)
    return changed(
        case,
        Kind.UPDATED,
        delta,
        certainty.of_deletion(case, windows),
        **deleted_again(case, case.delivery.review),
    )


def _reappear(case: Case, windows: Windows) -> Decision:
    record, shown, live = case.record, case.delivery.review, case.record.live
    clock = Order.UNKNOWN if live is None else compare(case.shown, live)
    if clock is Order.OLDER and _late_copy_possible(case, record.live_since, windows):
        return stale(case, "its clock is older than the last live snapshot's", Certainty.UNPROVEN)
    delta = difference(record.review if record.last_live is None else record.last_live, shown)
    as_before = record.last_live is not None and not delta.fields
    return changed(
        case,
        Kind.REAPPEARED,
        delta,
        certainty.of_reappearance(case, clock, windows, as_before=as_before),
        missing_for=case.at - (record.missing_since or case.at),
        **returned(case, shown),
    )
