"""How far the mirror can vouch for what it applied. Performs no I/O.

Events carry no order, and a delivery may arrive late: sent again after a lost acknowledgement or a failed attempt. Two
things prove that it is news all the same: a clock in its payload that is newer than what it replaces, or time: whatever
was sent before the last delivery about this review has arrived within LATE_WINDOW of it.

What is not proven is applied in the order of arrival and says so. Where there is a key, Partoo is asked about it.
"""

from mirror.domain.changes import Certainty
from mirror.domain.clocks import CLOCK_TOLERANCE_MS, Instant, Order, clock_of, deleted_at, order
from mirror.domain.decisions import Case
from mirror.domain.previous_states import find
from mirror.domain.record import Windows


def of_update(case: Case, clock: Order, windows: Windows) -> Certainty:
    """Judge a live payload that replaces a live one; `clock` tells how its clock relates to the other's."""
    repeated = _of_repetition(case, windows)
    return _by_clock_or_time(clock, case, windows) if repeated is None else repeated


def of_vanishing(case: Case, windows: Windows) -> Certainty:
    """Judge a deletion of a live review: proven if it happened after the last sight of the review was received."""
    deletion = deleted_at(case.shown)
    if order(deletion, clock_of(case.record.current)) is Order.OLDER:
        return Certainty.AMBIGUOUS
    repeated = _of_repetition(case, windows)
    if repeated is not None:
        return repeated
    last_sight = Instant(((case.record.delivered_at or case.record.last_received_at) + CLOCK_TOLERANCE_MS) * 1000, 1)
    return Certainty.PROVEN if order(deletion, last_sight) is Order.NEWER else _by_time(case, windows)


def of_deletion(case: Case, windows: Windows) -> Certainty:
    """Judge a deletion that replaces another: an ambiguous absence stays ambiguous."""
    if case.record.ambiguous:
        return Certainty.AMBIGUOUS
    found = order(deleted_at(case.shown), deleted_at(case.record.current))
    # Neither may carry a date: then only time can tell.
    dated = any(payload.review.get("delete_date") is not None for payload in (case.shown, case.record.current))
    return _by_clock_or_time(found if dated else Order.SAME, case, windows)


def of_reappearance(case: Case, clock: Order, windows: Windows, *, as_before: bool) -> Certainty:
    """Judge a return.

    `clock` tells how its clock relates to that of the last live snapshot, `as_before` that nothing else differs either.
    """
    record = case.record
    if as_before:
        if case.at - record.live_received_at < windows.redelivery:
            return Certainty.AMBIGUOUS
        return Certainty.PROVEN if _edited_since(case) else _by_time(case, windows)
    if record.live is None:
        return Certainty.PROVEN if _edited_since(case) else _by_time(case, windows)
    repeated = _of_repetition(case, windows)
    if repeated is not None:
        return repeated
    if _edited_since(case):
        return Certainty.PROVEN
    return _by_time(case, windows) if clock in (Order.SAME, Order.NEWER) else Certainty.UNPROVEN


def of_stale_update(case: Case) -> Certainty:
    """Judge a live payload that is kept out because its clock is older than that of the live review.

    A copy of a state known from before is proven to be old news. One never seen may come with an odd clock.
    """
    return Certainty.PROVEN if find(case.record, case.delivery.review) else Certainty.UNPROVEN


def _of_repetition(case: Case, windows: Windows) -> Certainty | None:
    """Judge a delivery that repeats a state known from before; None for any other.

    It is a revert, a late copy, or an old body that somebody sends again: nothing in it can prove which. While a late
    copy is possible it is ambiguous.
    """
    known = find(case.record, case.delivery.review)
    if known is None:
        return None
    soon = case.at - known.until <= max(windows.reorder, windows.late)
    return Certainty.AMBIGUOUS if soon else Certainty.UNPROVEN


def _edited_since(case: Case) -> bool:
    """Tell whether a return shows an edit from after the deletion."""
    return order(clock_of(case.shown), deleted_at(case.record.current)) is Order.NEWER


def _by_clock_or_time(found: Order, case: Case, windows: Windows) -> Certainty:
    if found is Order.NEWER:
        return Certainty.PROVEN
    return _by_time(case, windows) if found is Order.SAME else Certainty.UNPROVEN


def _by_time(case: Case, windows: Windows) -> Certainty:
    # What failed at first was sent then, not when it was accepted.
    sent_at = case.at if case.delivery.offered_at is None else min(case.at, case.delivery.offered_at)
    quiet = sent_at - (case.record.delivered_at or case.record.last_received_at)
    return Certainty.UNPROVEN if quiet < windows.late else Certainty.PROVEN
