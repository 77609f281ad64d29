"""Short stories about one review: deliveries with their minute of receipt, folded into decisions."""

import itertools
from collections.abc import Iterable
from typing import Any

import msgspec

from mirror.domain.changes import Source
from mirror.domain.clocks import Payload
from mirror.domain.decisions import Decision
from mirror.domain.inbox import make_delivery_id
from mirror.domain.lifecycle import TRANSITIONS, Trigger
from mirror.domain.previous_states import added
from mirror.domain.record import Delivery, Record, Windows
from mirror.domain.reducer import reduce

START = 1_760_000_000_000  # 2025-10-09T08:53:20Z
SECOND = 1_000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE
WINDOWS = Windows(redelivery=60 * MINUTE, reorder=90 * SECOND)

_numbers = itertools.count(1)

Told = tuple[dict[str, Any], float]


def fold(record: Record | None, deliveries: Iterable[Delivery], windows: Windows) -> list[Decision]:
    """Decide on deliveries one after the other, each on the record that the one before it left."""
    decisions = []
    for delivery in deliveries:
        decision = reduce(record, delivery, windows)
        record = decision.record
        decisions.append(decision)
    return decisions


def deliver(review: dict[str, Any], minute: float = 0, source: Source = Source.WEBHOOK) -> Delivery:
    """Make a delivery received so many minutes after the story's start."""
    at = START + round(minute * MINUTE)
    return Delivery(make_delivery_id(at, next(_numbers)), at, review, source)


def tell(*steps: Told, record: Record | None = None, windows: Windows = WINDOWS) -> list[Decision]:
    """Reduce reviews, each with its minute, one after the other."""
    decisions = []
    for review, minute in steps:
        decision = reduce(record, deliver(review, minute), windows)
        record = decision.record
        decisions.append(decision)
    return decisions


def last(*steps: Told, record: Record | None = None, windows: Windows = WINDOWS) -> Decision:
    return tell(*steps, record=record, windows=windows)[-1]


def outcomes(*steps: Told, record: Record | None = None, windows: Windows = WINDOWS) -> list[str]:
    return [str(decision.outcome) for decision in tell(*steps, record=record, windows=windows)]


def ambiguous(decision: Decision) -> bool:
    """Tell whether a change was made in doubt; the record and the change must say the same."""
    assert decision.change is not None
    assert decision.change.ambiguous == decision.record.ambiguous
    return decision.change.ambiguous


def received(record: Record, minute: float, **updates: Any) -> Record:
    """Return a record after a delivery at that minute which changed nothing but the given fields."""
    at = START + round(minute * MINUTE)
    return msgspec.structs.replace(record, last_received_at=at, delivered_at=at, **updates)


def kept_out(record: Record, review: dict[str, Any], minute: float) -> Record:
    """Return a record after a delivery at that minute which was kept out in doubt."""
    at = START + round(minute * MINUTE)
    return received(record, minute, unproven=True, **added(record, Payload(review, at), at, at))


def after_grace(record: Record) -> Record:
    """Return the record once the grace period of its absence is over."""
    return msgspec.structs.replace(record, status=TRANSITIONS[record.status, Trigger.GRACE_OVER])
