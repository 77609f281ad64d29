"""Lives at their own pace: the mirror's rules alone, with the windows of production, an hour being an hour. No I/O.

The real processes are played at a speed at which nearly nothing is hours apart. Here each delivery has the time of its
arrival as its time of receipt, so what a mirror without a key calls unproven is what it would call so in production.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from mirror.domain.changes import Certainty, Source
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.lifecycle import Status
from mirror.domain.record import DEFAULT_WINDOWS, Record
from mirror.domain.settling import settle
from tools.accuracy.wires import TRUE_TIME_WIRES
from tools.simulator.planning import Part, PlannedDelivery, Wire, plan
from tools.simulator.population import Population, Truth, TruthEvent, life
from tools.simulator.population.events import moment
from tools.simulator.population.options import Moving

CLOCKS = {"edits": frozenset[Moving](), "everything": frozenset(Moving)}


@dataclass(frozen=True)
class Count:
    """How many reviews are of which certainty in the end, and how many of those are wrong.

    `misled` counts deliveries after which a review was proven, and not as the newest of them told of it.
    """

    wire: str
    moves: str
    reviews: Counter[Certainty]
    wrong: Counter[Certainty]
    misled: int


def play_all(seed: int, reviews: int, days: int) -> Iterator[Count]:
    """Play one life over each wire, with `update_date` moved by edits alone and by everything."""
    for wire_name, wire in TRUE_TIME_WIRES.items():
        for moves, moving in CLOCKS.items():
            population = Population(
                reviews=reviews, days=days, unknown_fields=wire.unknown_fields, moves_update_date=moving
            )
            yield _play(wire_name, moves, wire, population, seed)


def _play(name: str, moves: str, wire: Wire, population: Population, seed: int) -> Count:
    events = list(life(seed, population))
    records, misled = _mirrored(plan(events, wire, seed))
    reviews: Counter[Certainty] = Counter()
    wrong: Counter[Certainty] = Counter()
    for review_id, true in Truth(events).reviews():
        record = records[review_id]
        reviews[record.certainty] += 1
        if not _shows(record, true):
            wrong[record.certainty] += 1
    return Count(name, moves, reviews, wrong, misled)


def _mirrored(planned: Iterable[PlannedDelivery]) -> tuple[dict[int, Record], int]:
    """Settle each delivery by itself; gives the records, and how often a wrong one was proven on the way."""
    records: dict[int, Record] = {}
    newest: dict[int, TruthEvent] = {}
    misled = 0
    # Of a delivery whose sender hung up the mirror knows that it will come again, and when it came first.
    first_attempts: dict[bytes, int] = {}
    for number, delivery in enumerate(planned):
        if not delivery.is_news:
            continue
        at = round(moment(delivery.at).timestamp() * 1000)
        first_attempt_at = first_attempts.pop(delivery.body, None) if delivery.part is Part.DUPLICATE else None
        if delivery.hangs_up:
            first_attempts[delivery.body] = at
        entry = Entry(make_delivery_id(at, number), at, Source.WEBHOOK, delivery.body, first_attempt_at)
        record = settle(records.get(delivery.review_id), [entry], DEFAULT_WINDOWS).record
        if record is None:
            continue
        records[delivery.review_id] = record
        known = newest.get(delivery.review_id, delivery.event)
        newest[delivery.review_id] = max(known, delivery.event, key=attrgetter("at"))
        proven = record.certainty is Certainty.PROVEN
        misled += proven and not _shows(record, newest[delivery.review_id].payload)
    return records, misled


def _shows(record: Record, true: Mapping[str, Any]) -> bool:
    return (record.status is Status.LIVE) is not (true["state"] == "deleted") and record.review == true
