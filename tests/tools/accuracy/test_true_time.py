"""At its own pace, a life ends with no wrong review that the mirror calls proven."""

from mirror.domain.changes import Certainty
from tools.accuracy.true_time import Count, play_all


def played() -> dict[tuple[str, str], Count]:
    return {(count.wire, count.moves): count for count in play_all(2, reviews=120, days=30)}


def test_no_wrong_review_is_called_proven_over_any_wire() -> None:
    counts = played()
    assert [count.wrong[Certainty.PROVEN] for count in counts.values()] == [0] * 10
    assert counts["bad-day, retries over hours", "edits"].wrong.total() > 0
    assert counts["clean", "edits"].wrong.total() == 0
    assert {count.reviews.total() for count in counts.values()} == {120}


def test_clocks_that_move_with_everything_prove_more() -> None:
    counts = played()
    assert counts["clean", "everything"].reviews[Certainty.PROVEN] > counts["clean", "edits"].reviews[Certainty.PROVEN]
