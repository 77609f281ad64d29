"""What speaks for a delivery being news, and not a late copy of something older. Performs no I/O.

Events carry no order, and a delivery may arrive late: sent again after a lost acknowledgement or a failed attempt. Two
things prove that it is news all the same: a clock in its payload that is later than what it replaces, or time: whatever
was sent before the last delivery about this review has arrived within `Windows.redelivery` of it.

What is not proven is applied in the order of arrival. Some of it is marked ambiguous, for readers; all of it is worth
asking Partoo about, where there is a key for it.
"""

from mirror.domain.decisions import Case, Doubt, fingerprint
from mirror.domain.record import Windows
from mirror.domain.review import clock, delete_clock, is_older

# By how much Partoo's clock and ours may differ: a `delete_date` this close to a time of receipt proves nothing.
CLOCK_TOLERANCE_MS = 60_000


def of_update(case: Case, windows: Windows) -> Doubt:
    """Judge a live payload that replaces a live one whose clock is not newer."""
    if is_a_state_left(case, windows):
        return Doubt.AMBIGUOUS
    newer = is_older(clock(case.record.review), clock(case.delivery.review))
    return Doubt.NONE if newer else _by_time(case, windows)


def of_vanishing(case: Case, windows: Windows) -> Doubt:
    """Judge a deletion of a live review: proven if it happened after the last sight of the review was received."""
    deleted_at = delete_clock(case.delivery.review)
    if is_older(deleted_at, clock(case.record.review)) or is_a_state_left(case, windows):
        return Doubt.AMBIGUOUS
    newer = is_older((case.record.last_received_at + CLOCK_TOLERANCE_MS) * 1000, deleted_at)
    return Doubt.NONE if newer else _by_time(case, windows)


def of_deletion(case: Case, windows: Windows) -> Doubt:
    """Judge a deletion that replaces another: what was in doubt about the absence stays in doubt."""
    if case.record.ambiguous:
        return Doubt.AMBIGUOUS
    newer = is_older(delete_clock(case.record.review), delete_clock(case.delivery.review))
    return Doubt.NONE if newer else _by_time(case, windows)


def of_reappearance(case: Case, windows: Windows, *, as_before: bool) -> Doubt:
    """Judge a return; `as_before`: nothing in it differs from the last live snapshot."""
    record, shown = case.record, case.delivery.review
    if as_before and case.at - record.live_received_at < windows.redelivery:
        return Doubt.AMBIGUOUS
    if record.last_live is not None and not as_before and is_a_state_left(case, windows):
        return Doubt.AMBIGUOUS
    edited_since = is_older(delete_clock(record.review), clock(shown))
    return Doubt.NONE if edited_since else _by_time(case, windows)


def is_a_state_left(case: Case, windows: Windows) -> bool:
    """Tell whether the delivery repeats a state already left, so soon that it may be a late copy of it.

    A newer clock clears `left`, so a state found there has the clock of the live snapshot.
    """
    left = case.record.left
    soon = case.at - case.record.live_received_at <= windows.reorder
    return soon and bool(left) and fingerprint(case.delivery.review) in left


def _by_time(case: Case, windows: Windows) -> Doubt:
    return Doubt.UNPROVEN if case.at - case.record.last_received_at < windows.redelivery else Doubt.NONE
