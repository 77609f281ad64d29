"""Ordinary guards against repeated and late events, as receivers of webhooks have them. Performs no I/O.

Each keeps one payload a review and decides by one rule whether the next one replaces it.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from tools.simulator.planning import PlannedDelivery
from tools.simulator.wire import TRYOUT_HEADER

Review = Mapping[str, Any]
REVIEW_EVENTS = frozenset({"review_updated", "review_update", "review_created"})


class Guard:
    """What a receiver with one guard ends up with: `accepts(body, kept, new)` says whether the new payload counts."""

    def __init__(self, accepts: Callable[[bytes, Review | None, Review], bool]) -> None:
        self._accepts = accepts
        self.kept: dict[int, Review] = {}

    def take(self, body: bytes, review: Review) -> None:
        if self._accepts(body, self.kept.get(review["id"]), review):
            self.kept[review["id"]] = review


def guards() -> dict[str, Guard]:
    """Make each strategy anew."""
    return {
        "body hash": Guard(_seen_bodies()),
        "newer clock": Guard(lambda _, kept, new: kept is None or _clock(new) > _clock(kept)),
        "clock not older": Guard(lambda _, kept, new: kept is None or _clock(new) >= _clock(kept)),
        "last arrival": Guard(lambda *_: True),
    }


def wrong_at_the_end(planned: Iterable[PlannedDelivery], truth: Mapping[int, Review]) -> dict[str, int]:
    """Count for each strategy the reviews that it has wrong once all has arrived, in the order of arrival."""
    strategies = guards()
    for delivery in planned:
        event = json.loads(delivery.body)
        if event["type"] not in REVIEW_EVENTS or TRYOUT_HEADER in delivery.headers:
            continue
        for guard in strategies.values():
            guard.take(delivery.body, event["payload"]["review"])
    return {
        name: sum(guard.kept.get(review_id) != review for review_id, review in truth.items())
        for name, guard in strategies.items()
    }


def _seen_bodies() -> Callable[[bytes, Review | None, Review], bool]:
    seen: set[bytes] = set()

    def is_new(body: bytes, _kept: Review | None, _new: Review) -> bool:
        new = body not in seen
        seen.add(body)
        return new

    return is_new


def _clock(review: Review) -> datetime:
    return datetime.fromisoformat(review.get("update_date") or review["date"])
