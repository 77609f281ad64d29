"""What somebody can do who sends old, rightly signed bodies once more, and what not: the claims of SECURITY.md."""

import itertools
from typing import Any

import pytest

from mirror.domain.changes import Certainty
from mirror.domain.decisions import Asking
from mirror.domain.lifecycle import Status
from tests.mirror.domain.reviews import DELETED, LIVE, NEWER, OLDER, UNDATED
from tests.mirror.domain.stories import ambiguous, last, tell
from tests.support import make_deletion

HOUR, YEAR = 60, 365 * 24 * 60
CHANGED = LIVE | {"rating": 4, "update_date": "2025-09-20T10:00:00+02:00"}
# Created, edited, gone, back as it was, edited again.
STORY: list[tuple[dict[str, Any], float]] = [(OLDER, 0), (LIVE, 60), (DELETED, 600), (LIVE, 7000), (CHANGED, 9000)]
OLD = [OLDER, LIVE, DELETED, CHANGED]


@pytest.mark.parametrize("order", list(itertools.permutations(OLD)))
def test_of_a_live_review_with_a_clock_no_old_body_changes_anything_within_the_late_window(
    order: tuple[dict[str, Any], ...],
) -> None:
    before = last(*STORY).record
    decisions = tell(*((body, 9000 + 12 * HOUR + minute) for minute, body in enumerate(order)), record=before)
    assert {decision.outcome for decision in decisions} <= {"stale", "unchanged"}
    assert (decisions[-1].record.review, decisions[-1].record.version) == (CHANGED, before.version)


@pytest.mark.parametrize("order", list(itertools.permutations(OLD)))
def test_after_the_late_window_an_old_body_is_applied_and_never_proven(order: tuple[dict[str, Any], ...]) -> None:
    before = last(*STORY).record
    decisions = tell(*((body, YEAR + minute) for minute, body in enumerate(order)), record=before)
    for decision in decisions:
        assert decision.outcome in {"updated", "stale", "unchanged"}
        if decision.outcome == "updated":
            assert decision.certainty is not Certainty.PROVEN
            assert decision.question.asking is Asking.ASK
    assert decisions[-1].record.review == CHANGED or decisions[-1].record.certainty is not Certainty.PROVEN


def test_what_remains_a_missing_review_can_be_shown_again_as_it_was_last_seen() -> None:
    """Partoo itself sends exactly this when a review comes back, so it cannot be refused."""
    back = last((LIVE, 0), (DELETED, HOUR), (LIVE, YEAR))
    assert (back.outcome, ambiguous(back)) == ("reappeared", False)


def test_soon_after_a_copy_was_accepted_such_a_return_is_marked_as_in_doubt() -> None:
    assert ambiguous(last((LIVE, 0), (DELETED, 10), (LIVE, 20)))


def test_a_missing_review_cannot_be_shown_as_it_was_before_it_was_last_seen_and_proven() -> None:
    story = [(OLDER, 0.0), (LIVE, 10.0), (DELETED, HOUR)]
    assert last(*story, (OLDER, 2 * HOUR)).outcome == "stale"
    back = last(*story, (OLDER, YEAR))
    assert (back.outcome, back.certainty) == ("reappeared", Certainty.UNPROVEN)


def test_what_remains_a_deletion_without_a_date_can_be_repeated_once_the_review_is_back() -> None:
    repeated = last((LIVE, 0), (UNDATED, HOUR), (NEWER, 2 * HOUR), (UNDATED, YEAR))
    assert (repeated.outcome, repeated.record.status) == ("vanished", Status.MISSING)


def test_what_remains_a_deletion_that_never_arrived_can_be_delivered_late_and_is_marked_as_in_doubt() -> None:
    late = last((CHANGED, 0), (make_deletion(LIVE, "2025-09-10T20:15:00+02:00"), YEAR))
    assert (late.outcome, ambiguous(late)) == ("vanished", True)


def test_whatever_is_repeated_nothing_that_was_mirrored_is_lost() -> None:
    attacked = last(*STORY, (UNDATED, YEAR))
    assert attacked.record.last_live == CHANGED
    assert last((CHANGED | {"rating": 5}, YEAR + HOUR), record=attacked.record).record.status is Status.LIVE
