"""How far the mirror can vouch for what it applied. Performs no I/O.

Events carry no order, and a delivery may arrive late: sent again after a lost acknowledgement or a failed attempt. Two
things prove that it is news all the same: a clock in its payload that is newer than those of all states that it may be
older than, or time: whatever was sent before the last delivery about this review has arrived within LATE_WINDOW of it.

What is not proven is applied in the order of arrival and says so. Where there is a key, Partoo is asked about it.
"""

from mirror.domain.changes import Certainty
from mirror.domain.clocks import CLOCK_TOLERANCE_MS, Instant, Order, age_of, clock_of, deleted_at, order
from mirror.domain.decisions import Case
from mirror.domain.previous_states import ages_after, find
from mirror.domain.record import Windows


def of_update(case: Case, clock: Order, windows: Windows) -> Certainty:
    """Judge a live payload that replaces a live one; `clock` tells how its clock relates to the other's."""
    repeated = _of_repetition(case, windows)
    if repeated is not None:
        return repeated
    if clock is Order.NEWER and is_newest(case, windows):
        return Certainty.PROVEN
    return _by_time(case, windows) if clock in _NOT_OLDER else Certainty.UNPROVEN


def of_vanishing(case: Case, windows: Windows) -> Certainty:
    """Judge a deletion of a live review: proven if it happened after the last delivery about it was received."""
    if order(deleted_at(case.shown), clock_of(case.record.current)) is Order.OLDER:
        return Certainty.AMBIGUOUS
    repeated = _of_repetition(case, windows)
    if repeated is not None:
        return repeated
    return Certainty.PROVEN if deleted_since(case) else _by_time(case, windows)


def of_deletion(case: Case, windows: Windows) -> Certainty:
    """Judge a deletion that replaces another.

    A newer `delete_date` alone proves no more than was proven: the review may have come back after both.
    """
    record = case.record
    if record.ambiguous:
        return Certainty.AMBIGUOUS
    if deleted_since(case):
        return Certainty.PROVEN
    # Neither may carry a date: then only time can tell.
    dated = any(payload.review.get("delete_date") is not None for payload in (case.shown, record.current))
    found = order(deleted_at(case.shown), deleted_at(record.current)) if dated else Order.SAME
    if found not in _NOT_OLDER:
        return Certainty.UNPROVEN
    by_time = _by_time(case, windows)
    return record.certainty if found is Order.NEWER and by_time is not Certainty.PROVEN else by_time


def of_reappearance(case: Case, clock: Order, windows: Windows, *, as_before: bool) -> Certainty:
    """Judge a return.

    `clock` tells how its clock relates to that of the last live snapshot, `as_before` that nothing else differs either.
    """
    record = case.record
    if as_before:
        soon = case.at - record.live_received_at < windows.redelivery
        return Certainty.AMBIGUOUS if soon else _by_time(case, windows)
    repeated = _of_repetition(case, windows)
    if repeated is not None:
        return repeated
    if record.live is not None and clock not in _NOT_OLDER:
        return Certainty.UNPROVEN
    return Certainty.PROVEN if is_newest(case, windows) else _by_time(case, windows)


def of_stale_update(case: Case) -> Certainty:
    """Judge a live payload that is kept out because its clock is older than that of the live review.

    A copy of a state known from before is proven to be old news. One never seen may come with an odd clock.
    """
    return Certainty.PROVEN if find(case.record, case.delivery.review) else Certainty.UNPROVEN


def is_newest(case: Case, windows: Windows) -> bool:
    """Tell whether the clock of a live payload is newer than that of every state that may have been sent after it.

    One newer than that of the current state is not enough: the current state may itself be a late copy. And what the
    clock of a state cannot tell, or a clock of another kind, may be newer whatever this one says.
    """
    field, clock = age_of(case.shown)
    others = ages_after(case.record, _sent_at(case) - windows.late)
    if clock is None or others is None:
        return False
    return all(other in {field, "delete_date"} and order(clock, its) is Order.NEWER for other, its in others)


def deleted_since(case: Case) -> bool:
    """Tell whether a deletion happened after the last delivery about the review was received."""
    last_sight = Instant((_last_delivery_at(case) + CLOCK_TOLERANCE_MS) * 1000, 1)
    return order(deleted_at(case.shown), last_sight) is Order.NEWER


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


def _by_time(case: Case, windows: Windows) -> Certainty:
    quiet = _sent_at(case) - _last_delivery_at(case)
    return Certainty.UNPROVEN if quiet < windows.late else Certainty.PROVEN


def _sent_at(case: Case) -> int:
    """Tell since when a delivery is known to be on its way: what failed at first was sent then."""
    return case.at if case.delivery.first_attempt_at is None else min(case.at, case.delivery.first_attempt_at)


def _last_delivery_at(case: Case) -> int:
    return case.record.delivered_at or case.record.last_received_at


_NOT_OLDER = (Order.SAME, Order.NEWER)
