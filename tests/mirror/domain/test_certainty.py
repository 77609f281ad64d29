"""A wrong review is never proven: by hand, and by true lives told over faulty wires."""

from typing import Any

import msgspec
from hypothesis import event, given, settings

from mirror.domain.changes import Certainty
from mirror.domain.decisions import Decision
from mirror.domain.record import DEFAULT_WINDOWS, Delivery
from mirror.domain.reducer import reduce
from tests.mirror.domain.stories import DAY, MINUTE, WINDOWS, deliver, last, tell
from tests.mirror.domain.true_lives import LIVES, Step, deliveries, life
from tests.support import make_deletion, make_review

LATE = WINDOWS.late / MINUTE


def edit(number: int, **fields: Any) -> dict[str, Any]:
    """Make the state after an edit of that minute past ten."""
    return make_review(update_date=f"2025-09-04T10:{number:02}:00+02:00", rating=number % 6) | fields


UNCLOCKED = make_review(update_date="at noon", rating=0)


def after_failing(review: dict[str, Any], minute: float, first_attempt: float) -> Delivery:
    return msgspec.structs.replace(deliver(review, minute), first_attempt_at=deliver(review, first_attempt).received_at)


def outcome(decision: Decision) -> tuple[str, Certainty]:
    return str(decision.outcome), decision.certainty


def test_a_newer_clock_than_all_before_it_proves_an_update() -> None:
    decisions = tell((edit(1), 0), (edit(2), 1), (edit(3), 2))
    assert [decision.certainty for decision in decisions] == [Certainty.PROVEN] * 3


def test_a_clock_that_is_newer_than_that_of_a_late_copy_alone_proves_nothing() -> None:
    """True: edits 1 and 2, one without a clock, edit 3. Edit 3 arrives first."""
    *_, late = tell((edit(3), 0), (UNCLOCKED, 1), (edit(1), 2), (edit(2), 3))
    assert outcome(late) == ("updated", Certainty.UNPROVEN)


def test_while_a_state_without_a_usable_clock_may_be_newer_no_clock_proves_an_update() -> None:
    story = [(edit(1), 0.0), (UNCLOCKED, 1.0), (edit(2), 2.0)]
    assert last(*story, (edit(3), 2 + LATE - 1)).certainty is Certainty.UNPROVEN
    assert last(*story, (edit(2, title="copy"), LATE - 1), (edit(3), 2 + LATE)).certainty is Certainty.PROVEN


def test_clocks_of_two_kinds_prove_nothing_of_each_other() -> None:
    by_date = make_review(update_date=..., rating=0)
    *_, second = tell((by_date, 0), (edit(1), 1), (edit(2), 2))
    assert outcome(second) == ("updated", Certainty.UNPROVEN)


def test_an_edit_that_is_older_than_a_deletion_is_not_proven_after_another_such_edit() -> None:
    """True: three edits, then the deletion. The deletion arrives before the second and the third edit."""
    *_, second, third = tell(
        (edit(1), 0), (make_deletion(edit(3), "2025-09-04T10:05:00+02:00"), 1), (edit(2), 2), (edit(3), 3)
    )
    assert outcome(second) == ("reappeared", Certainty.UNPROVEN)
    assert outcome(third) == ("updated", Certainty.UNPROVEN)


def test_an_edit_from_after_every_deletion_proves_a_return() -> None:
    deletion = make_deletion(edit(1), "2025-09-04T10:05:00+02:00")
    assert outcome(last((edit(1), 0), (deletion, 1), (edit(6), 2))) == ("reappeared", Certainty.PROVEN)
    older = make_deletion(edit(1), "2025-09-04T10:04:00+02:00")
    undated = make_deletion(edit(1), None)
    for other in (older, undated):
        between = last((edit(1), 0), (make_deletion(edit(1), "2025-09-04T10:07:00+02:00"), 1), (other, 2), (edit(6), 3))
        assert outcome(between) == ("reappeared", Certainty.UNPROVEN)


def test_a_deletion_newer_than_a_doubtful_one_leaves_the_absence_in_doubt() -> None:
    """True: two deletions, then a return. The return arrives first, and shows nothing new."""
    deletions = [make_deletion(edit(1), f"2025-09-04T10:0{minute}:00+02:00") for minute in (5, 6)]
    *_, first, second = tell((edit(1), 0), (edit(1), 2), (deletions[0], 3), (deletions[1], 4))
    assert outcome(first) == ("vanished", Certainty.UNPROVEN)
    assert outcome(second) == ("updated", Certainty.UNPROVEN)


def test_what_failed_at_first_counts_as_sent_then_however_late_it_is_accepted() -> None:
    decisions = tell((edit(1), 0), (make_deletion(edit(1), None), 10))
    late = reduce(decisions[-1].record, after_failing(edit(1, title="?"), 10 + 3 * LATE, 9), WINDOWS)
    assert outcome(late) == ("stale", Certainty.UNPROVEN)


def test_news_must_be_newer_than_what_was_kept_out_in_doubt() -> None:
    """True: edits 1 to 3, the last with a clock of minutes. It fails at first, and is kept out then."""
    coarse = make_review(update_date="2025-09-04T10:02+02:00", title="the last")
    record = tell((edit(1), 0), (edit(2), 2))[-1].record
    kept_out = reduce(record, after_failing(coarse, 3, 1), WINDOWS)
    assert outcome(kept_out) == ("stale", Certainty.UNPROVEN)
    late = last((edit(2, update_date="2025-09-04T10:02:30+02:00"), 50), record=kept_out.record)
    assert outcome(late) == ("updated", Certainty.UNPROVEN)
    assert last((edit(4), 51), record=late.record).certainty is Certainty.PROVEN


def test_a_delivery_after_a_whole_late_window_of_quiet_is_proven_unless_its_clock_speaks_against_it() -> None:
    same = edit(1, title="?")
    for shown, certainty in (
        (same, Certainty.PROVEN),
        (make_deletion(edit(1), None), Certainty.PROVEN),
        (edit(0), Certainty.UNPROVEN),
        (UNCLOCKED, Certainty.UNPROVEN),
    ):
        assert last((edit(1), 0), (edit(1), 60), (shown, 60 + LATE)).certainty is certainty
    assert last((edit(1), 0), (edit(1), 60), (same, 59 + LATE)).certainty is Certainty.UNPROVEN


def test_a_return_as_before_is_proven_only_after_a_whole_late_window_of_quiet() -> None:
    story = [(edit(1), 0.0), (make_deletion(edit(1)), 5.0)]
    for minute, certainty in (
        (59, Certainty.AMBIGUOUS),
        (60, Certainty.UNPROVEN),
        (4 + LATE, Certainty.UNPROVEN),
        (5 + LATE, Certainty.PROVEN),
        (5 * DAY / MINUTE, Certainty.PROVEN),
    ):
        assert outcome(last(*story, (edit(1), minute))) == ("reappeared", certainty)


@settings(deadline=None, max_examples=300)
@given(LIVES)
def test_a_review_that_is_mirrored_otherwise_than_it_is_is_never_proven(steps: list[Step]) -> None:
    states = life(steps)
    record = None
    for number, copy in enumerate(deliveries(states)):
        delivery = Delivery(str(number), copy.received_at, copy.review, first_attempt_at=copy.first_attempt_at)
        record = reduce(record, delivery, DEFAULT_WINDOWS).record
    assert record is not None
    right = record.review == states[-1][1]
    event(f"{record.certainty}, right: {right}")
    assert right or record.certainty is not Certainty.PROVEN
