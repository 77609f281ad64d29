"""Silence: deliveries that stay away for far longer than they usually do. Performs no I/O, reads no clock.

The mirror counts deliveries by the hour, and learns from the last eight weeks:

    the usual longest gap   the longest time without a delivery in a week: the median over the weeks. Where so few come
                            that a week says little, two, four or eight weeks take the place of one.
    the usual rate          of each hour of the week: the median over the weeks, and no more than that of the hour
                            before and after, as clocks change and people are late

Medians, because a week with an incident or a holiday must not count for more than one week. It is silent

    after FACTOR usual longest gaps; or sooner
    where deliveries come every day: once MISSED_FACTOR as many deliveries are missed as usually in the longest gap, by
    the usual rates, and at least MISSED_LEAST. So a stop by day need not wait for what is usual at night. Where whole
    days are usually quiet this is left out, for then holidays are too.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import accumulate

import msgspec

HOUR_MS = 3_600_000
HOURS_OF_WEEK = 168
WEEKS = 8
HOURS_KEPT = WEEKS * HOURS_OF_WEEK
FACTOR = 2.5
MISSED_FACTOR = 10
MISSED_LEAST = 100
# Less says nothing: a release or a restart of Redis takes as long.
SHORTEST_LIMIT_MS = 300_000
# So many deliveries a period must usually have for its longest gap to say something.
_TELLING = 8
# A period counts if so much of it was watched: not before the mirror began, nor while it was silent or stopped.
_WATCHED = 0.8
_FEWEST_WEEKS_FOR_RATES = 3
_DAY_MS = 24 * HOUR_MS


class Reason(StrEnum):
    """What Partoo's own data say about a silence."""

    DEAF = "deaf"  # reviews have changed at Partoo since the last delivery: deliveries do not reach the mirror
    QUIET = "partoo_quiet"  # nothing has changed there
    UNKNOWN = "unknown"  # Partoo could not be asked: there is no key, or it did not answer


class Standing(msgspec.Struct, frozen=True):
    """How it stands. Times are ms since 1970 UTC.

    `last_at`: when the last delivery came, or the first look if none has come since; None before that. `since`: since
    when it is silent, None if it is not; `reason` then says what Partoo says about it. `usual_gap` and `limit` are in
    ms: the usual longest gap, and after how long it is silent; None where nothing is known.
    """

    last_at: int | None = None
    since: int | None = None
    began_at: int | None = None
    reason: Reason | None = None
    usual_gap: int | None = None
    limit: int | None = None


class Hour(msgspec.Struct, frozen=True):
    """One hour that was watched: how many deliveries came, and the longest wait for one that went on in it, in ms."""

    deliveries: int
    longest_wait: int


class Rhythm(msgspec.Struct, frozen=True):
    """What is usual.

    `usual_gap` is the usual longest gap, in ms. `rates` are deliveries an hour, for each hour of the week, and `missed`
    is how many are usually due by them in a longest gap; `rates` is empty where they tell nothing.
    """

    usual_gap: int
    rates: tuple[float, ...] = ()
    missed: float = 0.0


class Judgement(msgspec.Struct, frozen=True):
    """`silent_since`: when the last delivery came, if it is silent; None if it is not.

    `usual_gap` and `limit`, after how long it is silent, are in ms; None where nothing is known of them.
    """

    silent_since: int | None
    usual_gap: int | None
    limit: int | None


def judge(hours: Mapping[int, Hour], last: int, now: int, after: int | None) -> Judgement:
    """Tell whether deliveries have stayed away for too long.

    `hours` are by their number since 1970 UTC; `last` (when the last delivery came) and `now` are ms since then.
    `after` takes the place of what is learned: silent after so many ms, never with 0.
    """
    rhythm = learn(hours, last // HOUR_MS)
    usual = None if rhythm is None else rhythm.usual_gap
    limit = after or None if after is not None else None if rhythm is None else limit_of(rhythm, last)
    silent = limit is not None and now - last > limit
    return Judgement(last if silent else None, usual, limit)


def learn(hours: Mapping[int, Hour], until: int) -> Rhythm | None:
    """Learn what is usual from the hours before `until`, an hour's number; None where they are too few."""
    known = {number: hour for number, hour in hours.items() if until - HOURS_KEPT <= number < until}
    usual_gap = _usual_gap(known, until)
    if usual_gap is None:
        return None
    rates = _rates(known) if usual_gap < _DAY_MS else ()
    if not rates:
        return Rhythm(usual_gap)
    due = _Due(rates)
    missed = [
        max(due.between((number + 1) * HOUR_MS - hour.longest_wait, (number + 1) * HOUR_MS) for number, hour in week)
        for week in _periods(known, until, 1)
    ]
    return Rhythm(usual_gap, rates, statistics.median(missed))


def limit_of(rhythm: Rhythm, last: int) -> int:
    """Tell how many ms after a delivery at `last` (ms since 1970 UTC) it is silent."""
    limit = max(SHORTEST_LIMIT_MS, round(FACTOR * rhythm.usual_gap))
    if not rhythm.rates:
        return limit
    most = max(MISSED_LEAST, MISSED_FACTOR * rhythm.missed)
    return min(limit, max(SHORTEST_LIMIT_MS, _Due(rhythm.rates).after(last, most, limit)))


def _usual_gap(hours: Mapping[int, Hour], until: int) -> int | None:
    weeks = 1
    while weeks <= WEEKS:
        periods = _periods(hours, until, weeks)
        # One week alone may be any week.
        if (len(periods) > 1 or weeks > 1) and periods and _usual_deliveries(periods) >= _TELLING:
            return round(statistics.median(max(hour.longest_wait for _, hour in period) for period in periods))
        weeks *= 2
    return None


_Period = Sequence[tuple[int, Hour]]


def _usual_deliveries(periods: Iterable[_Period]) -> float:
    return statistics.median_low(sum(hour.deliveries for _, hour in period) for period in periods)


def _periods(hours: Mapping[int, Hour], until: int, weeks: int) -> list[_Period]:
    """Cut what is known into periods of so many weeks, backwards from `until`; those hardly watched are left out."""
    length = weeks * HOURS_OF_WEEK
    cut: list[list[tuple[int, Hour]]] = [[] for _ in range(WEEKS // weeks)]
    for number, hour in hours.items():
        cut[(until - 1 - number) // length].append((number, hour))
    return [period for period in cut if len(period) >= _WATCHED * length]


def _rates(hours: Mapping[int, Hour]) -> tuple[float, ...]:
    seen: list[list[int]] = [[] for _ in range(HOURS_OF_WEEK)]
    for number, hour in hours.items():
        seen[number % HOURS_OF_WEEK].append(hour.deliveries)
    if min(map(len, seen)) < _FEWEST_WEEKS_FOR_RATES:
        return ()
    usual = [statistics.median_low(counts) for counts in seen]
    return tuple(
        float(min(usual[place - 1], usual[place], usual[(place + 1) % HOURS_OF_WEEK])) for place in range(HOURS_OF_WEEK)
    )


class _Due:
    """How many deliveries are usually due, by rates that are repeated every week."""

    def __init__(self, rates: Sequence[float]) -> None:
        self._rates = rates
        self._before = [0.0, *accumulate(rates)]

    def between(self, start: int, end: int) -> float:
        return self._until(end) - self._until(start)

    def after(self, start: int, count: float, longest: int) -> int:
        """Tell after how many ms from `start` so many are due; `longest` if that takes longer."""
        due, at = 0.0, start
        while at - start < longest:
            end = (at // HOUR_MS + 1) * HOUR_MS
            rate = self._rates[at // HOUR_MS % HOURS_OF_WEEK]
            due += rate * (end - at) / HOUR_MS
            if due >= count:
                return end - round((due - count) / rate * HOUR_MS) - start
            at = end
        return longest

    def _until(self, moment: int) -> float:
        hour, rest = divmod(moment, HOUR_MS)
        week, place = divmod(hour, HOURS_OF_WEEK)
        return week * self._before[-1] + self._before[place] + self._rates[place] * rest / HOUR_MS
