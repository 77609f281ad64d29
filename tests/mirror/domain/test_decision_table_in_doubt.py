"""When a decision is ambiguous: what arrival order alone cannot vouch for, to the millisecond."""

from typing import Any

import pytest

from mirror.domain.changes import Certainty
from mirror.domain.clocks import instant
from mirror.domain.previous_states import MAX_STATES, find, fingerprint
from mirror.domain.record import PreviousState, Windows
from tests.mirror.domain.reviews import D10, D12, DELETED, EQUAL, LIVE, NEWER, OLDER, UNDATED, clockless
from tests.mirror.domain.stories import (
    DAY,
    MINUTE,
    SECOND,
    START,
    WINDOWS,
    ambiguous,
    last,
    outcomes,
    tell,
)
from tests.support import make_deletion

# Ambiguous (a): identical to the last live snapshot, soon after that was last accepted


@pytest.mark.parametrize(("after_ms", "in_doubt"), [(-1, True), (0, False), (1, False)])
def test_an_identical_reappearance_is_in_doubt_within_the_redelivery_window(after_ms: int, *, in_doubt: bool) -> None:
    minute = (WINDOWS.redelivery + after_ms) / MINUTE
    back = last((LIVE, 0), (DELETED, 10), (LIVE, minute))
    assert back.outcome == "reappeared"
    assert ambiguous(back) is in_doubt


def test_a_copy_of_the_live_snapshot_starts_the_redelivery_window_anew() -> None:
    assert ambiguous(last((LIVE, 0), (LIVE, 50), (DELETED, 55), (LIVE, 109)))
    assert not ambiguous(last((LIVE, 0), (LIVE, 50), (DELETED, 55), (LIVE, 110)))


def test_the_reappearance_itself_starts_the_redelivery_window_anew() -> None:
    story = [(LIVE, 0), (DELETED, 100), (LIVE, 200), (make_deletion(LIVE, D12), 210)]
    assert ambiguous(last(*story, (LIVE, 259)))
    assert not ambiguous(last(*story, (LIVE, 260)))


def test_an_update_starts_the_redelivery_window_anew() -> None:
    assert ambiguous(last((LIVE, 0), (NEWER, 50), (make_deletion(NEWER), 55), (NEWER, 109)))


def test_copies_of_the_deletion_do_not_start_the_redelivery_window_anew() -> None:
    assert not ambiguous(last((LIVE, 0), (DELETED, 50), (DELETED, 55), (LIVE, 60)))


def test_a_stale_delivery_does_not_start_the_redelivery_window_anew() -> None:
    assert not ambiguous(last((LIVE, 0), (OLDER, 50), (DELETED, 55), (LIVE, 60)))
    assert not ambiguous(last((LIVE, 0), (DELETED, 50), (OLDER, 55), (LIVE, 60)))


def test_a_reappearance_that_differs_from_the_last_live_snapshot_is_not_in_doubt_however_soon() -> None:
    assert not ambiguous(last((LIVE, 0), (DELETED, 1), (EQUAL, 1.01)))
    assert not ambiguous(last((LIVE, 0), (DELETED, 1), (NEWER, 1.01)))


def test_a_redelivery_window_of_zero_puts_no_reappearance_in_doubt() -> None:
    windows = Windows(redelivery=0, reorder=0)
    assert not ambiguous(last((LIVE, 0), (DELETED, 0), (LIVE, 0), windows=windows))


# Ambiguous (b): back to a previous state


@pytest.mark.parametrize("windows", [Windows(reorder=90_000, late=600_000), Windows(reorder=600_000, late=90_000)])
@pytest.mark.parametrize(
    ("after_ms", "certainty"), [(-1, Certainty.AMBIGUOUS), (0, Certainty.AMBIGUOUS), (1, Certainty.UNPROVEN)]
)
def test_a_return_to_a_previous_state_is_ambiguous_within_the_longer_window_and_unproven_later(
    windows: Windows, after_ms: int, certainty: Certainty
) -> None:
    back = last((LIVE, 0), (EQUAL, 5), (LIVE, 5 + (600_000 + after_ms) / MINUTE), windows=windows)
    assert (back.outcome, back.certainty) == ("updated", certainty)
    assert back.record.review == LIVE


def test_the_window_of_a_return_runs_from_when_that_state_was_left_not_from_copies_of_the_next() -> None:
    copy = (EQUAL, WINDOWS.late / MINUTE)
    assert ambiguous(last((LIVE, 0), (EQUAL, 5), copy, (LIVE, 5 + WINDOWS.late / MINUTE)))
    assert not ambiguous(last((LIVE, 0), (EQUAL, 5), copy, (LIVE, 6 + WINDOWS.late / MINUTE)))


def test_a_return_to_a_previous_state_is_never_proven_however_late_it_comes() -> None:
    back = last((LIVE, 0), (EQUAL, 5), (LIVE, 365 * DAY / MINUTE))
    assert back.certainty is Certainty.UNPROVEN


def test_a_return_to_any_state_left_with_the_same_clock_is_in_doubt_not_only_to_the_last() -> None:
    third = LIVE | {"rating": 0}
    assert ambiguous(last((LIVE, 0), (EQUAL, 1), (third, 2), (LIVE, 3)))
    assert ambiguous(last((LIVE, 0), (EQUAL, 1), (third, 2), (EQUAL, 3)))


def test_a_state_never_seen_before_is_not_in_doubt_however_soon() -> None:
    assert not ambiguous(last((LIVE, 0), (EQUAL, 0.01), (LIVE | {"rating": 0}, 0.02)))


def test_a_state_from_before_the_clock_rose_is_stale_not_in_doubt() -> None:
    assert outcomes((LIVE, 0), (EQUAL, 0.1), (NEWER, 0.2), (LIVE, 0.3))[-1] == "stale"


def test_previous_states_are_remembered_also_when_the_clock_has_risen_since() -> None:
    record = last((LIVE, 0), (EQUAL, 0.1), (NEWER, 0.2)).record
    age = ("update_date", instant(LIVE["update_date"]))
    assert find(record, LIVE) == PreviousState(fingerprint(LIVE), START, START + 6 * SECOND, *age)
    assert find(record, EQUAL) == PreviousState(fingerprint(EQUAL), START + 6 * SECOND, START + 12 * SECOND, *age)
    assert find(record, NEWER) is None


def test_without_clocks_a_quick_return_to_a_state_already_left_is_in_doubt() -> None:
    assert ambiguous(last((clockless(LIVE), 0), (clockless(EQUAL), 1), (clockless(LIVE), 2)))


def test_a_reappearance_as_a_state_before_the_last_live_snapshot_is_ambiguous_within_the_late_window() -> None:
    story = [(LIVE, 0), (EQUAL, 1), (make_deletion(EQUAL), 1.5)]
    assert ambiguous(last(*story, (LIVE, 1 + WINDOWS.late / MINUTE)))
    later = last(*story, (LIVE, 1.1 + WINDOWS.late / MINUTE))
    assert later.certainty is Certainty.UNPROVEN


def test_a_reappearance_that_differs_leaves_the_last_live_snapshot_as_an_update_would() -> None:
    assert ambiguous(last((LIVE, 0), (DELETED, 1), (EQUAL, 100), (LIVE, 101)))


def test_an_identical_reappearance_keeps_the_states_before_it() -> None:
    story = [(LIVE, 0), (EQUAL, 1), (make_deletion(EQUAL), 100), (EQUAL, 200)]
    assert ambiguous(last(*story, (LIVE, 201)))
    assert last(*story, (LIVE, 2 + WINDOWS.late / MINUTE)).certainty is Certainty.UNPROVEN


def test_only_the_newest_states_left_are_remembered() -> None:
    states = [LIVE | {"content": str(number)} for number in range(MAX_STATES + 2)]
    record = last(*((state, 0.01 * number) for number, state in enumerate(states))).record

    assert len(record.previous_states) == MAX_STATES
    assert not ambiguous(last((states[0], 1), record=record))
    assert ambiguous(last((states[1], 1), record=record))
    assert ambiguous(last((states[-2], 1), record=record))


def test_doubt_outlives_copies_and_stale_deliveries_and_ends_with_the_next_change() -> None:
    decisions = tell((LIVE, 0), (EQUAL, 1), (LIVE, 2), (LIVE, 3), (OLDER, 4), (NEWER, 5))
    assert [decision.record.ambiguous for decision in decisions] == [False, False, True, True, True, False]


# Deletions in doubt


@pytest.mark.parametrize(
    ("delete_date", "in_doubt"),
    [
        ("2025-09-04T09:59:59.999999+02:00", True),
        ("2025-09-04T10:00:00+02:00", False),
        ("2025-09-04T10:00:00.000001+02:00", False),
        ("2025-09-04T09:30:00+01:00", False),
        ("2025-09-04T10:30:00+03:00", True),
        ("2025-09-04T07:59:59", True),
        ("not a date", False),
        (None, False),
        (0, False),
    ],
)
def test_a_deletion_dated_before_the_mirrored_clock_is_applied_in_doubt(delete_date: Any, *, in_doubt: bool) -> None:
    vanished = last((LIVE, 0), (UNDATED | {"delete_date": delete_date}, 10))
    assert vanished.outcome == "vanished"
    assert ambiguous(vanished) is in_doubt


def test_the_doubt_about_a_deletion_is_measured_against_the_mirrored_clock_not_its_own() -> None:
    newer_clock = make_deletion(LIVE | {"update_date": "2025-12-01T00:00:00Z"}, D10)
    assert not ambiguous(last((LIVE, 0), (newer_clock, 10)))


def test_a_deletion_of_a_review_without_a_clock_is_not_in_doubt() -> None:
    assert not ambiguous(last((clockless(LIVE), 0), (make_deletion(LIVE, "1990-01-01T00:00:00Z"), 10)))


def test_an_undated_deletion_that_returns_while_a_late_copy_is_possible_is_ambiguous() -> None:
    # design, case (b): equal clocks, accepted close together, equal to a state already left.
    *_, back, again = tell((LIVE, 0), (UNDATED, 120), (LIVE, 240), (UNDATED, 241))

    assert not ambiguous(back)
    assert again.outcome == "vanished"
    assert ambiguous(again)


def test_an_undated_deletion_that_returns_once_no_late_copy_is_possible_is_unproven() -> None:
    again = last((LIVE, 0), (UNDATED, 120), (LIVE, 240), (UNDATED, 241 + WINDOWS.late / MINUTE))
    assert again.certainty is Certainty.UNPROVEN


def test_what_was_in_doubt_about_an_absence_stays_in_doubt_when_it_is_updated() -> None:
    doubtful = make_deletion(LIVE, "2025-09-01T00:00:00Z")
    decisions = tell((LIVE, 0), (doubtful, 1), (doubtful | {"rating": 1}, 2))
    assert ambiguous(decisions[1])
    assert ambiguous(decisions[2])
    assert not ambiguous(last((LIVE, 0), (DELETED, 1), (DELETED | {"rating": 1}, 2)))
