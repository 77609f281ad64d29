"""Where the API's reviews come from: a simulation at its present moment, or a fixed set for tests. Performs no I/O."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from tools.simulator.clock import SimulatedClock
from tools.simulator.population.events import Kind, TruthEvent, iso
from tools.simulator.population.options import Moving, Population
from tools.simulator.population.truth import Truth, is_deleted

Review = Mapping[str, Any]


class TruthSource(Protocol):
    """What is true now."""

    def now(self) -> float:
        """Give the present moment, in seconds of simulated time."""

    def finished(self) -> bool:
        """Tell whether nothing more will happen by itself."""

    def reviews(self) -> Iterable[Review]:
        """Give every review as it is now, deleted ones in their deleted form, in the order of ids."""

    def events(self) -> Iterable[TruthEvent]:
        """Give everything that has happened, the events of each review in order."""

    def set_state(self, review_id: int, state: str) -> Review | None:
        """Set a review's state and give the review after it; None: there is none, or it is deleted."""


class FixedReviews:
    """Reviews that change only by `put`, `remove` and the API itself."""

    def __init__(self, reviews: Iterable[Review] = ()) -> None:
        self._reviews: dict[int, Review] = {}
        for review in reviews:
            self.put(review)

    def put(self, review: Review) -> None:
        """Add a review, or replace the one with its id."""
        self._reviews[review["id"]] = review

    def remove(self, review_id: int) -> None:
        """Forget a review altogether, as if there had never been one."""
        self._reviews.pop(review_id, None)

    def now(self) -> float:
        return 0.0

    def finished(self) -> bool:
        return True

    def reviews(self) -> Iterable[Review]:
        return [review for _, review in sorted(self._reviews.items())]

    def events(self) -> Iterable[TruthEvent]:
        return ()

    def set_state(self, review_id: int, state: str) -> Review | None:
        review = self._reviews.get(review_id)
        if review is None or is_deleted(review):
            return None
        self.put({**review, "state": state})
        return self._reviews[review_id]


class SimulatedReviews:
    """A population at its present moment. `announce` hears of each change that the API makes, to send its webhook."""

    def __init__(
        self, truth: Truth, clock: SimulatedClock, population: Population, announce: Callable[[TruthEvent], None]
    ) -> None:
        self._truth = truth
        self._clock = clock
        self._population = population
        self._announce = announce

    def now(self) -> float:
        return self._clock.now()

    def finished(self) -> bool:
        return self._clock.finished

    def reviews(self) -> Iterable[Review]:
        return [review for _, review in self._truth.reviews(self.now())]

    def events(self) -> Iterable[TruthEvent]:
        now = self.now()
        return [event for review_id, _ in self._truth.reviews(now) for event in self._truth.events(review_id, now)]

    def set_state(self, review_id: int, state: str) -> Review | None:
        now = self.now()
        review = self._truth.review(review_id, now)
        if review is None or is_deleted(review):
            return None
        changed = {**review, "state": state}
        if changed != review:
            if Moving.STATE in self._population.moves_update_date:
                changed["update_date"] = iso(now)
            event = TruthEvent(now, review_id, Kind.MARKED, changed)
            self._truth.add(event)
            self._announce(event)
        return changed
