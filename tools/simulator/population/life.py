"""A population's life: what happens to its reviews, in order of simulated time. Performs no I/O.

Each review lives by dice of its own, so one review more or less changes nothing for the others. It is written in the
first quarter of the time, changes now and then (often several times within minutes, as when somebody works through
reviews), vanishes and comes back exactly as it was, or is deleted for good. A whole business may vanish at once.
"""

import heapq
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

from tools.simulator.chance import Dice, chance
from tools.simulator.population.changes import change, deletion
from tools.simulator.population.events import DAY, Kind, TruthEvent
from tools.simulator.population.newborn import newborn
from tools.simulator.population.options import Population

_NEWBORN_SHARE = 0.25
# After a change, the next one follows within two minutes this often.
_IN_A_ROW = 0.25
_ROW_S = (1.0, 120.0)
_FLAP_S = (5.0, 300.0)
_ABSENCE_S = (300.0, 21 * DAY)
# The reviews of a business do not vanish and return in the same instant.
_STAGGER_S = 30.0


class _Outage(NamedTuple):
    start: float
    seconds: float


def life(seed: int, population: Population) -> Iterator[TruthEvent]:
    """Give everything that happens to the population, in order of time; the same for the same seed.

    The time begins at 0 and ends after `population.days`; what would come after that does not happen.
    """
    outages = [list(_outages(chance(seed, "business", n), population)) for n in range(population.businesses)]
    lives = (
        _life_of(number, chance(seed, "review", number), population, outages) for number in range(population.reviews)
    )
    return heapq.merge(*lives, key=attrgetter("at", "review_id"))


def _outages(dice: Dice, population: Population) -> Iterator[_Outage]:
    at = 0.0
    while (at := at + _wait(dice, population.business_absences_per_day)) < population.days * DAY:
        seconds = _log_uniform(dice, _ABSENCE_S)
        yield _Outage(at, seconds)
        at += seconds + 2 * _STAGGER_S


def _life_of(
    number: int, dice: Dice, population: Population, outages: Sequence[Sequence[_Outage]]
) -> Iterator[TruthEvent]:
    """Give one review's events; it is live whenever the loop begins anew."""
    end = population.days * DAY
    business = dice.randrange(population.businesses)
    at = dice.uniform(0, end * _NEWBORN_SHARE)
    review = newborn(dice, number, business, at, population)
    review_id = review["id"]
    yield TruthEvent(at, review_id, Kind.CREATED, review)
    while True:
        changes_at = at + _next_change(dice, population.changes_per_day)
        vanishes_at, returns_after = _next_absence(dice, at, population, outages[business])
        at = min(changes_at, vanishes_at)
        if at >= end:
            return
        if changes_at < vanishes_at:
            kind, review = change(dice, review, at, population.moves_update_date)
            yield TruthEvent(at, review_id, kind, review)
            continue
        returns = dice.random() < population.returning
        deleted = deletion(review, at, population.moves_update_date, delete_date=population.delete_date)
        yield TruthEvent(at, review_id, Kind.VANISHED if returns else Kind.DELETED, deleted)
        at += returns_after
        if not returns or at >= end:
            return
        # The very object of before: it comes back field for field, and byte for byte, as it was.
        yield TruthEvent(at, review_id, Kind.RETURNED, review)


def _next_change(dice: Dice, per_day: float) -> float:
    if per_day and dice.random() < _IN_A_ROW:
        return dice.uniform(*_ROW_S)
    return _wait(dice, per_day)


def _next_absence(dice: Dice, at: float, population: Population, outages: Sequence[_Outage]) -> tuple[float, float]:
    """Tell when a live review vanishes next, alone or with its business, and after how long it might return."""
    alone_at = at + _wait(dice, population.absences_per_day)
    following = bisect_right(outages, at, key=attrgetter("start"))
    if following < len(outages) and outages[following].start < alone_at:
        outage = outages[following]
        return outage.start + dice.uniform(0, _STAGGER_S), outage.seconds + dice.uniform(0, _STAGGER_S)
    flaps = dice.random() < population.flapping
    return alone_at, _log_uniform(dice, _FLAP_S if flaps else _ABSENCE_S)


def _wait(dice: Dice, per_day: float) -> float:
    return dice.expovariate(per_day / DAY) if per_day else math.inf


def _log_uniform(dice: Dice, bounds: tuple[float, float]) -> float:
    """Draw a time of which minutes are as likely as hours, and hours as days."""
    low, high = bounds
    return low * math.exp(dice.random() * math.log(high / low))
