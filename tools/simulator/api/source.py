"""Where the API's reviews come from: a simulation at its present moment, or a fixed set for tests. Performs no I/O."""

import math
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Any, Protocol

from tools.simulator.clock import SimulatedClock
from tools.simulator.population.events import Kind, TruthEvent, iso
from tools.simulator.population.options import Moving, Population
from tools.simulator.population.truth import Truth, is_deleted

Review = Mapping[str, Any]

_SINCE = itemgetter(0)


class TruthSource(Protocol):
    """What is true now."""

    def now(self) -> float:
        """Give the present moment, in seconds of simulated time."""

    def finished(self) -> bool:
        """Tell whether nothing more will happen by itself."""

    def reviews(self, seconds_ago: float = 0.0) -> Iterable[Review]:
        """Give every review as it is now, or was so many real seconds ago, in the order of ids.

        Deleted ones are given in their deleted form.
        """

    def events(self) -> Iterable[TruthEvent]:
        """Give everything that has happened, the events of each review in order."""

    def set_state(self, review_id: int, state: str) -> Review | None:
        """Set a review's state and give the review after it; None: there is none, or it is deleted."""


class FixedReviews:
    """Reviews that change only by `put`, `remove` and the API itself; those given at first were always there."""

    def __init__(self, reviews: Iterable[Review] = ()) -> None:
        # What each review was, and since when by the real clock; None: there was none.
        self._versions: dict[int, list[tuple[float, Review | None]]] = {
            review["id"]: [(-math.inf, review)] for review in reviews
        }

    def put(self, review: Review) -> None:
        """Add a review, or replace the one with its id."""
        self._set(review["id"], review)

    def remove(self, review_id: int) -> None:
        """Forget a review altogether, as if there had never been one."""
        self._set(review_id, None)

    def now(self) -> float:
        return 0.0

    def finished(self) -> bool:
        return True

    def reviews(self, seconds_ago: float = 0.0) -> Iterable[Review]:
        found = (self._review(review_id, seconds_ago) for review_id in sorted(self._versions))
        return [review for review in found if review is not None]

    def events(self) -> Iterable[TruthEvent]:
        return ()

    def set_state(self, review_id: int, state: str) -> Review | None:
        review = self._review(review_id)
        if review is None or is_deleted(review):
            return None
        changed = {**review, "state": state}
        self.put(changed)
        return changed

    def _set(self, review_id: int, review: Review | None) -> None:
        self._versions.setdefault(review_id, [(-math.inf, None)]).append((time.monotonic(), review))

    def _review(self, review_id: int, seconds_ago: float = 0.0) -> Review | None:
        versions = self._versions.get(review_id, [(-math.inf, None)])
        return versions[bisect_right(versions, time.monotonic() - seconds_ago, key=_SINCE) - 1][1]


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

    def reviews(self, seconds_ago: float = 0.0) -> Iterable[Review]:
        return [review for _, review in self._truth.reviews(self._clock.now(seconds_ago))]

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
