"""From what happened to what arrives: deliveries with their bytes and their times of arrival. Performs no I/O.

Partoo documents that 5xx is answered by up to 5 retries with exponential backoff, and neither an order nor that a
delivery arrives once. So a copy is the very bytes of its original, seconds to minutes after it, and whatever happened
to the review in between may arrive before it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter
from types import MappingProxyType

from tools.simulator.chance import Dice, chance
from tools.simulator.planning.extras import other_event, undocumented
from tools.simulator.planning.wire import Wire
from tools.simulator.population.events import Kind, TruthEvent
from tools.simulator.wire import TRYOUT_HEADER, encode_event

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_TRYOUT_HEADERS: Mapping[str, str] = MappingProxyType({TRYOUT_HEADER: "true"})
# Most retries are the first; the fifth is the last.
_RETRY_WEIGHTS = (16, 8, 4, 2, 1)
_OVERTAKEN_S = 30.0


class Part(StrEnum):
    """What a delivery is among those of its event."""

    ON_TIME = "on_time"
    """It arrives at the first attempt."""
    UNACKNOWLEDGED = "unacknowledged"
    """It arrives too, but its acknowledgement is lost; a `duplicate` follows."""
    DUPLICATE = "duplicate"
    LATE = "late"
    """It arrives by a retry, the attempts before it having failed unreceived."""
    TRYOUT = "tryout"
    OTHER = "other"
    """An event of a type that does not concern reviews."""


@dataclass(frozen=True, slots=True)
class PlannedDelivery:
    """One arrival: at which simulated second, which bytes and headers, and of what it tells."""

    at: float
    part: Part
    event: TruthEvent
    """What it reports; for a try-out and another type, the event beside which it is sent."""
    body: bytes = field(repr=False)
    # Not the object itself as the default: to Python 3.11 that is a mutable one.
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS)
    hangs_up: bool = False
    """How an acknowledgement is lost: the sender hangs up before the answer, in place of ignoring it."""

    @property
    def review_id(self) -> int:
        return self.event.review_id

    @property
    def is_news(self) -> bool:
        """Tell whether it reports something that happened; a try-out and another type do not."""
        return self.part not in {Part.TRYOUT, Part.OTHER}


def plan(events: Iterable[TruthEvent], wire: Wire, seed: int) -> list[PlannedDelivery]:
    """Plan the deliveries of these events, in the order of their arrival; the same for the same seed."""
    dice = chance(seed, "wire")
    planned = [delivery for event in events for delivery in _deliveries(event, wire, dice)]
    planned.sort(key=attrgetter("at"))
    return planned


def body_of(event: TruthEvent, wire: Wire) -> bytes:
    """Give the bytes that report an event. Equal reviews give equal bytes, but for the type of a creation."""
    payload = {"review": event.payload}
    # Drawn for the review, not for the event: one that comes back looks as it did before.
    if wire.unknown_fields and chance("undocumented", event.review_id).random() < wire.unknown_fields:
        payload |= undocumented(event.review_id)
    return encode_event("review_created" if event.kind is Kind.CREATED else "review_updated", payload)


def _deliveries(event: TruthEvent, wire: Wire, dice: Dice) -> Iterator[PlannedDelivery]:
    # As many lots for every event: a fault switched on leaves the rest of the plan as it is.
    fate, drift, tryout, other, hangs_up = (dice.random() for _ in range(5))
    wait = _retried_after(dice, wire.backoff)
    body = body_of(event, wire)
    at = event.at + (drift / wire.reordered * _OVERTAKEN_S if drift < wire.reordered else 0.0)
    if fate < wire.duplicates:
        yield PlannedDelivery(at, Part.UNACKNOWLEDGED, event, body, hangs_up=hangs_up < 0.5)  # noqa: PLR2004 - a coin
        yield PlannedDelivery(at + wait, Part.DUPLICATE, event, body)
    elif fate < wire.duplicates + wire.late:
        yield PlannedDelivery(at + wait, Part.LATE, event, body)
    elif fate >= wire.duplicates + wire.late + wire.lost:
        yield PlannedDelivery(at, Part.ON_TIME, event, body)
    if tryout < wire.tryouts:
        # The latest real data, which at this moment may be news already or history still.
        yield PlannedDelivery(event.at + wait, Part.TRYOUT, event, body, _TRYOUT_HEADERS)
    if other < wire.other_events:
        yield PlannedDelivery(event.at, Part.OTHER, event, other_event(chance("other", event.at), event))


def _retried_after(dice: Dice, backoff: float) -> float:
    """Draw how long after the first attempt a retry arrives: one to five waits, each twice as long, with some slack."""
    retries = dice.choices(range(1, len(_RETRY_WEIGHTS) + 1), _RETRY_WEIGHTS)[0]
    return backoff * (2.0**retries - 1.0) * dice.uniform(1.0, 1.1)
