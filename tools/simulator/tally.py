"""What became of a plan, in numbers. Performs no I/O."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tools.simulator.planning.plan import Part, PlannedDelivery
from tools.simulator.population.events import Kind
from tools.simulator.sending import Delivery


@dataclass(slots=True)
class Tally:
    """Counts of a run. `attempts` counts every POST; `lost` the events that Partoo would not send again."""

    events: Counter[Kind] = field(default_factory=Counter)
    parts: Counter[Part] = field(default_factory=Counter)
    attempts: int = 0
    acknowledged: int = 0
    redelivered: int = 0
    lost: int = 0
    lost_by_plan: int = 0
    last_loss: str | None = None

    @property
    def deliveries(self) -> int:
        return self.parts.total()

    def count_unacknowledged(self, planned: PlannedDelivery) -> None:
        """Count a delivery whose acknowledgement was lost on purpose."""
        self.parts[planned.part] += 1
        self.attempts += 1

    def count(self, planned: PlannedDelivery, delivery: Delivery, loss: str | None) -> None:
        """Count what became of a delivery; `loss` says why, where it was lost."""
        self.parts[planned.part] += 1
        self.attempts += len(delivery.attempts)
        self.redelivered += len(delivery.attempts) - 1
        if delivery.acknowledged:
            self.acknowledged += 1
        else:
            self.lost += 1
            self.last_loss = loss


def facts(tally: Tally, seconds: float) -> dict[str, Any]:
    """Tell the numbers as a JSON object."""
    return {
        "events": {kind.value: tally.events[kind] for kind in Kind},
        "deliveries": tally.deliveries,
        "parts": {part.value: tally.parts[part] for part in Part},
        "attempts": tally.attempts,
        "acknowledged": tally.acknowledged,
        "redelivered": tally.redelivered,
        "lost": tally.lost,
        "lost_by_plan": tally.lost_by_plan,
        "last_loss": tally.last_loss,
        "seconds": round(seconds, 3),
        "per_second": round(tally.attempts / seconds, 1) if seconds else None,
    }


def table(tally: Tally, seconds: float) -> str:
    """Tell the same as a table for people."""
    rate = f"{tally.attempts / seconds:,.0f} a second" if seconds else "at once"
    rows = [
        ("events", f"{tally.events.total():,}", _list(tally.events)),
        ("returns", f"{tally.events[Kind.RETURNED]:,}", "reviews that came back exactly as they were"),
        ("deliveries", f"{tally.deliveries:,}", _list(tally.parts)),
        ("duplicates", f"{tally.parts[Part.DUPLICATE]:,}", "sent again after a lost acknowledgement"),
        ("late", f"{tally.parts[Part.LATE]:,}", "arrived by a retry after failed attempts"),
        ("retries", f"{tally.redelivered:,}", "because of what the receiver answered"),
        ("acknowledged", f"{tally.acknowledged:,}", f"of {tally.attempts:,} requests, {rate}"),
        ("lost", f"{tally.lost:,}", tally.last_loss or ""),
        ("never sent", f"{tally.lost_by_plan:,}", "lost on the wire, as asked for with --lost"),
    ]
    width = max(len(number) for _, number, _ in rows)
    return "\n".join(f"{name:<13}{number:>{width}}  {note}".rstrip() for name, number, note in rows)


def _list(counts: Counter[Any]) -> str:
    return ", ".join(
        f"{number:,} {name.replace('_', ' ')}" for name, number in sorted(counts.items(), key=lambda item: -item[1])
    )
