"""What every review is at any moment of simulated time. Performs no I/O."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any

from tools.simulator.population.events import TruthEvent

_AT = attrgetter("at")


def is_deleted(review: Mapping[str, Any]) -> bool:
    return review.get("state") == "deleted"


class Truth:
    """Everything that happened, kept for each review: asked for a moment, it tells what was the case."""

    def __init__(self, events: Iterable[TruthEvent] = ()) -> None:
        self._lives: dict[int, list[TruthEvent]] = {}
        for event in events:
            self._lives.setdefault(event.review_id, []).append(event)
        for events_of_one in self._lives.values():
            events_of_one.sort(key=_AT)

    def add(self, event: TruthEvent) -> None:
        """Add what happened meanwhile; it may lie before what is known already."""
        events = self._lives.setdefault(event.review_id, [])
        events.insert(bisect_right(events, event.at, key=_AT), event)

    def review(self, review_id: int, at: float = math.inf) -> Mapping[str, Any] | None:
        """Give a review as Partoo shows it at that moment, deleted or not; None: it is not written yet."""
        events = self._lives.get(review_id, [])
        position = bisect_right(events, at, key=_AT)
        return events[position - 1].payload if position else None

    def reviews(self, at: float = math.inf) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Give every review that is written by then, in the order of ids."""
        for review_id in sorted(self._lives):
            review = self.review(review_id, at)
            if review is not None:
                yield review_id, review

    def events(self, review_id: int, at: float = math.inf) -> list[TruthEvent]:
        """Give what has happened to a review by then, in order."""
        events = self._lives.get(review_id, [])
        return events[: bisect_right(events, at, key=_AT)]
