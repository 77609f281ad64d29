"""The reducer against a slow model that keeps everything it has ever seen and searches it."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from mirror.domain.record import Delivery, Record
from mirror.domain.reducer import reduce
from tests.mirror.domain.stories import START, WINDOWS, after_grace
from tests.mirror.domain.strategies import FEW_DATES, GAPS, MOMENTS

Review = dict[str, Any]


def text(review: Review) -> str:
    return json.dumps(review, sort_keys=True)


def moment_of(review: Review) -> int | None:
    """Look the review's clock up: every date of these tests stands in a table."""
    readable = [MOMENTS.get(review.get(name)) for name in ("update_date", "date")]
    return next((moment for moment in readable if moment is not None), None)


def before(first: int | None, second: int | None) -> bool:
    return first is not None and second is not None and first < second


def deleted(review: Review) -> bool:
    return review.get("state") == "deleted"


@dataclass
class Seen:
    at: int
    review: Review
    outcome: str
    ambiguous: bool
    applied: bool

    @property
    def shown(self) -> bool:
        return self.applied and not deleted(self.review)


@dataclass
class Model:
    """The whole past of one review, with nothing computed ahead of need."""

    past: list[Seen] = field(default_factory=list)
    grace_over_since: int | None = None  # how many deliveries had been seen when the grace period ended

    def applied(self) -> list[Seen]:
        return [seen for seen in self.past if seen.applied]

    def shown(self) -> list[Seen]:
        return [seen for seen in self.past if seen.shown]

    def see(self, review: Review, received_at: int) -> Seen:
        at = max([received_at, *(seen.at for seen in self.past)])
        outcome, ambiguous = self.judge(review, at)
        seen = Seen(at, review, outcome, ambiguous, applied=outcome not in {"unchanged", "stale"})
        self.past.append(seen)
        return seen

    def judge(self, review: Review, at: int) -> tuple[str, bool]:
        applied = self.applied()
        if not applied:
            return "first_seen", False
        current = applied[-1]
        if text(current.review) == text(review):
            return "unchanged", False
        if deleted(review):
            return self.judge_absence(review, current) if deleted(current.review) else self.judge_deletion(review)
        return self.judge_shown(review, at)

    def judge_shown(self, review: Review, at: int) -> tuple[str, bool]:
        shown = self.shown()
        if shown and before(moment_of(review), moment_of(shown[-1].review)):
            return "stale", False
        outcome = "reappeared" if deleted(self.applied()[-1].review) else "updated"
        if shown and text(shown[-1].review) == text(review):
            return outcome, at - self.last_accepted(review) < WINDOWS.redelivery
        return outcome, bool(shown) and self.was_left(review, at)

    def judge_deletion(self, review: Review) -> tuple[str, bool]:
        date = review.get("delete_date")
        dates_of_absences = [seen.review.get("delete_date") for seen in self.applied() if deleted(seen.review)]
        if date is not None and date in dates_of_absences:
            return "stale", False
        return "vanished", before(MOMENTS.get(date), moment_of(self.applied()[-1].review))

    def judge_absence(self, review: Review, current: Seen) -> tuple[str, bool]:
        dates = [MOMENTS.get(one.get("delete_date")) for one in (review, current.review)]
        return ("stale", False) if before(*dates) else ("updated", current.ambiguous)

    def last_accepted(self, review: Review) -> int:
        return max(seen.at for seen in self.past if text(seen.review) == text(review))

    def was_left(self, review: Review, at: int) -> bool:
        """Tell whether this was shown before, with no rise of the clock since, and its successor came just now."""
        shown = [seen.review for seen in self.shown()]
        if at - self.last_accepted(shown[-1]) > WINDOWS.reorder:
            return False
        since = [place for place, one in enumerate(shown[:-1]) if text(one) == text(review)]
        return any(not rises(shown[place:]) for place in since)

    def status(self) -> str:
        applied = self.applied()
        if not deleted(applied[-1].review):
            return "live"
        last_shown = max((place for place, one in enumerate(self.past) if one.shown), default=-1)
        return "gone" if self.grace_over_since is not None and self.grace_over_since > last_shown + 1 else "missing"

    def end_grace(self) -> None:
        if deleted(self.applied()[-1].review):
            self.grace_over_since = len(self.past)


def rises(reviews: Sequence[Review]) -> bool:
    moments = [moment_of(review) for review in reviews]
    return any(before(one, two) for one, two in itertools.pairwise(moments))


def variant(**fields: Any) -> Review:
    return {"id": 34} | {name: value for name, value in fields.items() if value is not ...}


FREE = st.builds(
    variant,
    state=st.sampled_from(["treated", "deleted"]),
    rating=st.sampled_from([1, 2, 1.0]),
    update_date=FEW_DATES,
    date=st.sampled_from([..., "2025-09-04T08:00:00Z"]),
    delete_date=FEW_DATES,
)
CLOCKED = st.builds(
    variant,
    state=st.sampled_from(["treated", "treated", "deleted"]),
    rating=st.sampled_from([1, 2, 3]),
    update_date=st.sampled_from(["2025-09-04T08:00:00Z", "2025-09-04T08:00:00Z", "2025-09-04T11:00:00+02:00"]),
    delete_date=st.sampled_from(["2025-09-04T08:30:00", "2025-09-05T08:00:00Z"]),
)
PLAIN = st.builds(variant, state=st.sampled_from(["treated", "deleted"]), rating=st.sampled_from([1, 2]))
STEP = st.tuples(FREE | CLOCKED | PLAIN, GAPS, st.sampled_from([False, False, False, True]))
STORIES = st.lists(STEP, min_size=1, max_size=14) | st.lists(
    st.tuples(CLOCKED, GAPS, st.just(value=False)), min_size=4, max_size=14
)


@settings(deadline=None, max_examples=200)
@given(STORIES)
def test_the_reducer_decides_as_a_model_that_searches_the_whole_past(story: list[tuple[Review, int, bool]]) -> None:
    model, record, at = Model(), None, START
    for number, (review, gap, grace_over) in enumerate(story):
        at += gap
        seen = model.see(review, at)
        decision = reduce(record, Delivery(str(number), at, review), WINDOWS)
        record = decision.record

        assert (str(decision.outcome), text(record.review)) == (seen.outcome, text(model.applied()[-1].review))
        event(seen.outcome)
        if decision.change is not None:
            assert decision.change.received_at == seen.at
            check_doubt(record, model)
        if grace_over:
            record = after_grace(record)
            model.end_grace()
        assert record.status == model.status()


def check_doubt(record: Record, model: Model) -> None:
    applied = model.applied()
    event(f"{applied[-1].outcome}, ambiguous: {applied[-1].ambiguous}")
    absence = list(itertools.takewhile(lambda seen: not seen.shown, reversed(applied)))
    if any(seen.review.get("delete_date") is None for seen in absence):
        return  # What doubt there is about an undated deletion has tests of its own.
    assert record.ambiguous == applied[-1].ambiguous
