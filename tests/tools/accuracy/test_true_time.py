"""At its own pace, no life has a wrong review that the mirror calls proven, at its end or on the way."""

import pytest

from mirror.domain.changes import Certainty
from mirror.domain.record import Windows
from tools.accuracy import true_time
from tools.accuracy.true_time import Count, play_all


def played() -> dict[tuple[str, str], Count]:
    return {(count.wire, count.moves): count for count in play_all(2, reviews=120, days=30)}


def test_no_wrong_review_is_called_proven_over_any_wire() -> None:
    counts = played()
    assert [(count.wrong[Certainty.PROVEN], count.misled) for count in counts.values()] == [(0, 0)] * 10
    assert counts["bad-day, retries over hours", "edits"].wrong.total() > 0
    assert counts["clean", "edits"].wrong.total() == 0
    assert {count.reviews.total() for count in counts.values()} == {120}


def test_clocks_that_move_with_everything_prove_more() -> None:
    counts = played()
    assert counts["clean", "everything"].reviews[Certainty.PROVEN] > counts["clean", "edits"].reviews[Certainty.PROVEN]


def test_a_mirror_that_believes_too_soon_that_nothing_comes_late_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(true_time, "DEFAULT_WINDOWS", Windows(redelivery=0, reorder=0, late=0))
    counts = played()
    assert counts["bad-day, retries over hours", "edits"].wrong[Certainty.PROVEN] > 0
    assert counts["bad-day, retries over hours", "edits"].misled > 0
