"""`python -m tools.accuracy.rhythms`: a simulated year of each rhythm of deliveries, judged by `mirror.domain.silence`.

For each rhythm: how often it would have said that deliveries stay away although they did not (false alarms), and after
how long it would have noticed a true stop, at moments spread over the year. Exit status 1 if it does worse than it
must.
"""

import argparse
import math
import random
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec

from mirror.clock import span
from mirror.domain.silence import (
    HOUR_MS,
    HOURS_KEPT,
    HOURS_OF_WEEK,
    SHORTEST_LIMIT_MS,
    WEEKS,
    Hour,
    Rhythm,
    learn,
    limit_of,
)

START = datetime(2025, 1, 6, tzinfo=UTC)  # a Monday
LEARNING_DAYS = WEEKS * 7
YEAR_DAYS = 365
STOPS = 100
MOST_FALSE_ALARMS = 1
MOST_GAPS = 3.0
# A period with fewer deliveries has no telling gap.
TELLING = 8
# How often the worker looks.
LOOK_MS = 10_000
# Days on which France does not work, most of them: month and day.
HOLIDAYS = {
    (1, 1),
    (4, 18),
    (4, 21),
    (5, 1),
    (5, 8),
    (5, 29),
    (6, 9),
    (7, 14),
    (8, 15),
    (11, 1),
    (11, 11),
    (12, 25),
    (12, 26),
}

# Deliveries an hour at a local time; the random numbers are for what differs from day to day.
Rate = Callable[[datetime, random.Random], float]


def steady(a_week: float, _local: datetime, _chance: random.Random) -> float:
    return a_week / HOURS_OF_WEEK


def by_day(an_hour: float, night: float, local: datetime, _chance: random.Random) -> float:
    return an_hour if 8 <= local.hour < 22 else night  # noqa: PLR2004 - o'clock


def thousand_shops(local: datetime, _chance: random.Random) -> float:
    return 125 * (1 - 0.96 * math.cos((local.hour + local.minute / 60 - 3) * math.pi / 12))


def quiet_weekends(local: datetime, chance: random.Random) -> float:
    return by_day(20, 0, local, chance) * (0.1 if local.weekday() >= 5 else 1)  # noqa: PLR2004 - Saturday


def office_hours(local: datetime, _chance: random.Random) -> float:
    works = local.weekday() < 5 and 8 <= local.hour < 18 and not is_holiday(local)  # noqa: PLR2004 - from nine to five
    return 20 if works else 0


def holidays(local: datetime, chance: random.Random) -> float:
    return by_day(20, 0, local, chance) * (0.2 if is_holiday(local) else 0.5 if local.month == 8 else 1)  # noqa: PLR2004


def evenings(local: datetime, _chance: random.Random) -> float:
    """All that Partoo has fetched that day, at once, one day in ten an hour later, and now and then next to nothing."""
    day = random.Random(local.toordinal())  # noqa: S311 - a simulation
    hour = 22 if day.random() < 0.1 else 21  # noqa: PLR2004
    return day.choice((5, 100, 300)) if local.hour == hour else 0


def incidents(local: datetime, chance: random.Random) -> float:
    burst = 20_000 if local.day == 10 and local.hour in (11, 15) and local.month % 3 == 0 else 0  # noqa: PLR2004
    return thousand_shops(local, chance) + burst


def shrinking(local: datetime, chance: random.Random) -> float:
    """Four in five shops leave on the first of July."""
    return thousand_shops(local, chance) * (0.2 if (local.month, local.year) >= (7, 2025) else 1)


def is_holiday(local: datetime) -> bool:
    return (local.month, local.day) in HOLIDAYS


RHYTHMS: dict[str, Rate] = {
    "one a week": partial(steady, 1),
    "one shop, five a week": partial(steady, 5),
    "one shop, thirty a week by day": partial(by_day, 30 / 98, 0),
    "quiet nights, 280 a day": partial(by_day, 20, 0),
    "a thousand shops, 3,000 a day": thousand_shops,
    "quiet weekends": quiet_weekends,
    "office hours, none on holidays": office_hours,
    "holidays at a fifth, August at half": holidays,
    "evenings alone": evenings,
    "a thousand shops, four incidents": incidents,
    "a thousand shops, four in five leave": shrinking,
}
# So few deliveries that the longest gap itself differs from month to month.
FEW = {"one a week", "one shop, five a week"}
# Here the usual itself changes within a day: until it has been learned anew, the mirror may say that it is silent.
CHANGING = {"a thousand shops, four in five leave"}


class Outcome(msgspec.Struct, frozen=True):
    """What a year gave. Times are in ms.

    `stops`: after how long each stop was noticed, and what was the usual longest gap in the eight weeks before it.
    """

    name: str
    deliveries: int
    false_alarms: int
    stops: list[tuple[int, int]]

    @property
    def in_gaps(self) -> float:
        """Within how many usual longest gaps nine in ten stops are noticed."""
        return _nine_in_ten([noticed / usual_gap for noticed, usual_gap in self.stops])


def play(name: str, seed: int) -> Outcome:
    """Live through the weeks of learning and a year, and stop at moments of that year."""
    chance = random.Random(f"{name} {seed}")  # noqa: S311 - a simulation
    first = int(START.timestamp()) // 3600
    begins, ends = first + LEARNING_DAYS * 24, first + (LEARNING_DAYS + YEAR_DAYS) * 24
    stops = {chance.randrange(begins, ends) for _ in range(STOPS)}
    mirror = _Mirror(first * HOUR_MS)
    noticed = []
    for number in range(first, ends):
        if number == begins:
            mirror.alarms = mirror.deliveries = 0
        if number in stops and (limit := mirror.limit()) is not None:
            # Half a look later on average; at the latest a whole one.
            noticed.append((limit + LOOK_MS, _usual_gap(mirror.longest[-HOURS_KEPT:])))
        mirror.live(number, _arrivals(number, RHYTHMS[name], chance))
    return Outcome(name, mirror.deliveries, mirror.alarms, noticed)


class _Mirror:
    """Watches deliveries hour by hour, as the worker does."""

    def __init__(self, since: int) -> None:
        self.deliveries = self.alarms = 0
        # Of every hour, what was true of it: deliveries and longest wait.
        self.longest: list[Hour] = []
        self._hours: dict[int, Hour] = {}
        self._last = since
        self._rhythms: dict[int, Rhythm | None] = {}

    def limit(self) -> int | None:
        """Tell after how long without a delivery it is silent; what is usual is learned once a day."""
        hour = self._last // HOUR_MS
        if hour // 24 not in self._rhythms:
            self._rhythms = {hour // 24: learn(self._hours, hour)}
        rhythm = self._rhythms[hour // 24]
        return None if rhythm is None else limit_of(rhythm, self._last)

    def live(self, number: int, arrivals: Sequence[int]) -> None:
        silent, longest, end = False, 0, (number + 1) * HOUR_MS
        for at in (*arrivals, end):
            wait = at - self._last
            longest = max(longest, wait)
            if wait > SHORTEST_LIMIT_MS and (limit := self.limit()) is not None and wait > limit:
                silent = True
                self.alarms += at < end
            self._last = at if at < end else self._last
        self.deliveries += len(arrivals)
        self.longest.append(Hour(len(arrivals), longest))
        # What stays away is not learned as usual.
        if not silent:
            self._hours[number] = self.longest[-1]
            self._hours.pop(number - HOURS_KEPT, None)


def _arrivals(number: int, rate: Rate, chance: random.Random) -> list[int]:
    local = _in_paris(datetime.fromtimestamp(number * 3600, UTC))
    count = _poisson(rate(local, chance), chance)
    return sorted(number * HOUR_MS + chance.randrange(HOUR_MS) for _ in range(count))


def _in_paris(moment: datetime) -> datetime:
    """Give the time of Paris: not every machine has a database of time zones."""
    changes = [_last_sunday(moment.year, month) for month in (3, 10)]
    return moment + timedelta(hours=2 if changes[0] <= moment < changes[1] else 1)


def _last_sunday(year: int, month: int) -> datetime:
    """Give 01:00 UTC of the last Sunday of a month with 31 days."""
    last = datetime(year, month, 31, 1, tzinfo=UTC)
    return last - timedelta(days=(last.weekday() + 1) % 7)


def _poisson(mean: float, chance: random.Random) -> int:
    if mean > 50:  # noqa: PLR2004 - near enough to normal
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    count, product, floor = 0, chance.random(), math.exp(-mean)
    while product > floor:
        count += 1
        product *= chance.random()
    return count


def _usual_gap(hours: Sequence[Hour]) -> int:
    """Tell the longest gap of an ordinary week; where hardly any come, of eight weeks."""
    for weeks in (1, 2, 4, 8):
        size = weeks * HOURS_OF_WEEK
        periods = [hours[at : at + size] for at in range(0, len(hours) - size + 1, size)]
        if (
            statistics.median(sum(hour.deliveries for hour in period) for period in periods) >= TELLING
            or weeks == WEEKS
        ):
            return round(statistics.median(max(hour.longest_wait for hour in period) for period in periods))
    raise AssertionError


def table(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """Write what the rhythms gave as a table."""
    heads = ("rhythm", "deliveries", "false alarms", "usual longest gap", "half of all stops noticed within")
    yield f"| {' | '.join(heads)} | nine in ten | that is, in usual longest gaps |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for each in outcomes:
        noticed, usual = zip(*each.stops, strict=True)
        times = (statistics.median(usual), statistics.median(noticed), _nine_in_ten(noticed))
        spans = [span(round(time)) for time in times]
        cells = (each.name, f"{each.deliveries:,}", str(each.false_alarms), *spans, f"{each.in_gaps:.1f}")
        yield f"| {' | '.join(cells)} |"


def failed(outcome: Outcome) -> bool:
    """Tell whether a year gave more false alarms than it may, or a stop was noticed too late."""
    if outcome.name in CHANGING:
        return False
    return outcome.false_alarms > MOST_FALSE_ALARMS or (outcome.name not in FEW and outcome.in_gaps > MOST_GAPS)


def _nine_in_ten(values: Sequence[float]) -> float:
    return sorted(values)[math.ceil(0.9 * len(values)) - 1]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.accuracy.rhythms", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same year (default: %(default)s)")
    seed = parser.parse_args().seed
    outcomes = [play(name, seed) for name in RHYTHMS]
    sys.stdout.write("\n".join([*table(outcomes), ""]))
    return 1 if any(map(failed, outcomes)) else 0


if __name__ == "__main__":
    sys.exit(main())
