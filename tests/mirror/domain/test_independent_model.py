"""The reducer against a slow model, written from the contract, that keeps all it has ever seen and searches it."""

import itertools
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from mirror.domain.changes import Certainty
from mirror.domain.decisions import Decision
from mirror.domain.record import DEFAULT_WINDOWS, Delivery, Record
from mirror.domain.reducer import reduce
from tests.mirror.domain.stories import MINUTE, START, after_grace
from tests.mirror.domain.true_lives import GOOD, UNUSABLE, written

Review = dict[str, Any]
Step = tuple[Review, int, bool]  # a delivery, the milliseconds before it, and whether the grace is over after it
Span = tuple[int, int]  # from when until when a moment may lie, in milliseconds since 1970 UTC

WINDOWS = DEFAULT_WINDOWS
LATE = WINDOWS.late
BIRTH = START - 30 * LATE
MOMENTS = [START - 3 * LATE, START - LATE, START - 90 * MINUTE, START - MINUTE - 200, START - MINUTE]
UNITS = dict(zip(GOOD, [1, 1, 1_000, MINUTE, 60 * MINUTE, 24 * 60 * MINUTE], strict=True))
# Every usable clock of these tests and what it says: the model reads no dates.
SPANS: dict[str, Span] = {
    written(at, how): (at // unit * unit, at // unit * unit + unit) for at in MOMENTS for how, unit in UNITS.items()
}


def text(review: Review) -> str:
    return json.dumps(review, sort_keys=True)


def deleted(review: Review) -> bool:
    return review.get("state") == "deleted"


def span(review: Review, name: str) -> Span | None:
    value = review.get(name)
    return SPANS.get(value) if isinstance(value, str) else None


def before(one: Span | None, other: Span | None) -> bool:
    return one is not None and other is not None and one[1] <= other[0]


def together(one: Span | None, other: Span | None) -> bool:
    return one is not None and other is not None and not before(one, other) and not before(other, one)


def clocks(one: Review, other: Review) -> tuple[Span | None, Span | None]:
    """Give two clocks of one kind: all these reviews have the same `date`, or none."""
    if any(review.get("update_date") not in {None, ""} for review in (one, other)):
        return span(one, "update_date"), span(other, "update_date")
    return None, None


@dataclass
class Seen:
    at: int
    review: Review
    outcome: str

    @property
    def applied(self) -> bool:
        return self.outcome not in {"unchanged", "stale"}

    @property
    def shown(self) -> bool:
        return self.applied and not deleted(self.review)


@dataclass
class Model:
    """The whole past of one review, with nothing computed ahead of need."""

    past: list[Seen] = field(default_factory=list)

    def see(self, review: Review, received_at: int) -> Seen:
        at = max([received_at, *(seen.at for seen in self.past)])
        seen = Seen(at, review, self.judge(review, at))
        self.past.append(seen)
        return seen

    @property
    def current(self) -> Seen:
        return [seen for seen in self.past if seen.applied][-1]

    @property
    def last_shown(self) -> Seen | None:
        return next((seen for seen in reversed(self.past) if seen.shown), None)

    def judge(self, review: Review, at: int) -> str:
        if not self.past:
            return "first_seen"
        if text(self.current.review) == text(review):
            return "unchanged"
        if deleted(review):
            missing = deleted(self.current.review)
            return self.judge_other_deletion(review, at) if missing else self.judge_deletion(review)
        newer = self.last_shown
        if newer is not None and before(*clocks(review, newer.review)) and at - newer.at < LATE:
            return "stale"
        return "reappeared" if deleted(self.current.review) else "updated"

    def judge_deletion(self, review: Review) -> str:
        absences = [seen.review for seen in self.past if seen.applied and deleted(seen.review)]
        known = any(together(span(review, "delete_date"), span(one, "delete_date")) for one in absences)
        return "stale" if known else "vanished"

    def judge_other_deletion(self, review: Review, at: int) -> str:
        dates = (span(one, "delete_date") for one in (review, self.current.review))
        return "stale" if before(*dates) and at - self.current.at < LATE else "updated"

    def may_be_older(self, review: Review, at: int) -> bool:
        """Tell whether it may have been sent before anything that came in the last LATE_WINDOW."""
        return any(not self.sent_after(review, seen) for seen in self.past if at - seen.at < LATE)

    def sent_after(self, review: Review, seen: Seen) -> bool:
        if deleted(review):
            return before((0, seen.at + MINUTE), span(review, "delete_date"))
        if deleted(seen.review):
            return before(span(seen.review, "delete_date"), span(review, "update_date"))
        return before(*clocks(seen.review, review))

    def likely_late(self, review: Review, at: int) -> bool:
        """Tell whether it was in this state before and left it lately, or was deleted before it was last edited."""
        current, shown = self.current.review, self.last_shown
        if deleted(review) and before(span(review, "delete_date"), span(current, "update_date")):
            return True
        if deleted(current) and shown is not None and text(review) == text(shown.review):
            copies = [seen.at for seen in self.past if seen.outcome != "stale" and text(seen.review) == text(review)]
            return at - copies[-1] < WINDOWS.redelivery
        if deleted(current) and shown is None:
            return False
        applied = [seen for seen in self.past if seen.applied]
        left = [after.at for one, after in itertools.pairwise(applied) if text(one.review) == text(review)]
        return any(at - moment <= max(LATE, WINDOWS.reorder) for moment in left)


Told = tuple[Seen, Decision, Model, Record | None]


def variant(**fields: Any) -> Review:
    return {"id": 34} | {name: value for name, value in fields.items() if value is not ...}


DATES = st.sampled_from([*SPANS]) | st.sampled_from([*UNUSABLE.values()])
ODD = st.builds(
    variant,
    state=st.sampled_from(["treated", "treated", "deleted"]),
    rating=st.sampled_from([1, 2]),
    date=st.just(written(BIRTH, "fine")),
    update_date=DATES,
    delete_date=DATES,
)
GAPS = st.sampled_from([0, 1, 20_000, 90_001, 3_599_999, 3_600_000, LATE // 2, LATE - 1, LATE, 3 * LATE, -60_000])
# A few states in each story, so that they come again.
STORIES = st.lists(ODD, min_size=1, max_size=5).flatmap(
    lambda few: st.lists(
        st.tuples(st.sampled_from(few), GAPS, st.sampled_from([False, False, False, True])), min_size=1, max_size=14
    )
)


def tell(story: list[Step]) -> list[Told]:
    """Tell a story to both: what each makes of it, and what each knew before."""
    told: list[Told] = []
    model, at = Model(), START
    record: Record | None = None
    for number, (review, gap, grace_over) in enumerate(story):
        at += gap
        known, before_it = Model(list(model.past)), record
        decision = reduce(record, Delivery(str(number), at, review), WINDOWS)
        told.append((model.see(review, at), decision, known, before_it))
        record = after_grace(decision.record) if grace_over and deleted(decision.record.review) else decision.record
    return told


@settings(deadline=None, max_examples=300)
@given(STORIES)
def test_the_reducer_decides_as_a_model_that_searches_the_whole_past(story: list[Step]) -> None:
    for seen, decision, known, _ in tell(story):
        event(seen.outcome)
        current = known.current.review if known.past and not seen.applied else seen.review
        assert (str(decision.outcome), text(decision.record.review)) == (seen.outcome, text(current))
        assert (decision.record.status == "live") is not deleted(current)


@settings(deadline=None, max_examples=300)
@given(STORIES)
def test_what_may_be_older_than_anything_that_came_lately_is_never_proven(
    story: list[Step],
) -> None:
    for seen, decision, known, record in tell(story):
        event(f"{seen.outcome} {decision.certainty}")
        if not seen.applied or record is None:
            continue
        if decision.certainty is Certainty.PROVEN and known.may_be_older(seen.review, seen.at):
            # A newer deletion of a review that is proven to be missing.
            assert deleted(seen.review)
            assert record.certainty is Certainty.PROVEN
            assert before(span(known.current.review, "delete_date"), span(seen.review, "delete_date"))


@settings(deadline=None, max_examples=300)
@given(STORIES)
def test_what_may_well_be_a_late_copy_is_ambiguous(story: list[Step]) -> None:
    for seen, decision, known, record in tell(story):
        if record is not None and seen.outcome in {"updated", "vanished", "reappeared"}:
            absent = deleted(known.current.review)
            if not (absent and deleted(seen.review)) and known.likely_late(seen.review, seen.at):
                assert decision.certainty is Certainty.AMBIGUOUS


@settings(deadline=None, max_examples=300)
@given(STORIES, ODD, st.sampled_from([LATE, LATE + 1, 40 * LATE]))
def test_no_deliveries_with_odd_clocks_freeze_a_review_beyond_the_late_window(
    story: list[Step], review: Review, later: int
) -> None:
    """What comes a LATE_WINDOW after the last change is mirrored, whatever its clock and those before it."""
    *_, (_, decision, known, _) = tell(story)
    record = decision.record
    last_change = max(seen.at for seen in [*known.past, Seen(record.last_changed_at, review, "")] if seen.applied)
    shown = {name: value for name, value in review.items() if name != "state"} | {"state": "not_treated"}
    after = reduce(record, Delivery("late", max(last_change, record.last_received_at) + later, shown), WINDOWS).record
    assert (text(after.review), after.status) == (text(shown), "live")


@pytest.mark.parametrize("odd", [*UNUSABLE.values(), written(MOMENTS[-1], "fine")], ids=[*UNUSABLE, "newer"])
def test_a_steady_stream_of_older_copies_does_not_freeze_a_review_either(odd: Any) -> None:
    """Deliveries that are kept out do not renew the window."""
    first = variant(state="treated", date=written(BIRTH, "fine"), update_date=odd)
    edits = [
        variant(state="treated", date=written(BIRTH, "fine"), update_date=written(MOMENTS[0], "fine"), rating=hour)
        for hour in range(30)
    ]
    story = [(first, 0, False), *((edit, 60 * MINUTE, False) for edit in edits)]
    *_, (_, decision, _, _) = tell(story)
    assert text(decision.record.review) == text(edits[-1])
