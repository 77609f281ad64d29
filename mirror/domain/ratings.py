"""Ratings over time: as the public page showed them, and as they were. Performs no I/O.

`shown` counts the reviews that were live at a moment. `adjusted` also counts a review that was missing, with its last
live rating, if it came back later or its absence is still undecided; one that became `gone` left when it vanished.
So what Google loses and gives back days later does not move the adjusted rating.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from mirror.domain.changes import Change
from mirror.domain.history import first_payload, records
from mirror.domain.lifecycle import Status
from mirror.domain.record import Record

# A rating is counted in thousandths, so that sums stay exact.
_UNIT = 1_000
_STARS = (1, 2, 3, 4, 5)
# What a review counts as: its rating in thousandths, None without one, and whether it recommends.
Value = tuple[int | None, bool | None]


class Point(msgspec.Struct, frozen=True, array_like=True):
    """From `at` (ms since 1970 UTC) on a review has this status and counts, while it is live, as this."""

    at: int
    status: Status
    rating: int | None = None
    recommended: bool | None = None

    @property
    def value(self) -> Value:
        return self.rating, self.recommended


class Track(msgspec.Struct, frozen=True, array_like=True):
    """What a review's history means for ratings: its points, the oldest first."""

    partner: str
    points: tuple[Point, ...]


class Rating(msgspec.Struct, frozen=True):
    """The reviews that count at a moment. `average` is None without a rating; it is rounded to four places.

    `count` counts the reviews with a rating; those without one stand in `count_unrated` alone.
    """

    count: int
    count_unrated: int
    average: float | None
    stars: dict[str, int]
    recommended: int
    not_recommended: int


class Ratings(msgspec.Struct, frozen=True):
    """Both ratings at a moment."""

    shown: Rating
    adjusted: Rating


def points_of(record: Record, changes: Sequence[Change]) -> tuple[Point, ...]:
    """Work out a review's points from its record and its whole history, the oldest change first."""
    points: list[Point] = []
    for state in records(first_payload(record, changes), changes):
        point = _point(state)
        if not points or (point.status, point.value) != (points[-1].status, points[-1].value):
            points.append(point)
    return tuple(points)


def _point(state: Record) -> Point:
    review = state.live_snapshot if state.status is not Status.LIVE else state.review
    if review is None:
        return Point(state.last_changed_at, state.status)
    recommended = review.get("recommended")
    return Point(
        state.last_changed_at,
        state.status,
        _thousandths(review.get("rating")),
        recommended if isinstance(recommended, bool) else None,
    )


def _thousandths(rating: Any) -> int | None:
    is_number = isinstance(rating, int | float) and not isinstance(rating, bool)
    return round(rating * _UNIT) if is_number and abs(rating) <= _UNIT else None


def series(tracks: Iterable[Track], moments: Sequence[int]) -> list[Ratings]:
    """Give the ratings at each of the moments (ms since 1970 UTC), which rise."""
    found = Series(moments)
    found.add(tracks)
    return found.ratings()


class Series:
    """Ratings at moments, which rise, of tracks that come piece by piece: it keeps counts, not tracks."""

    def __init__(self, moments: Sequence[int]) -> None:
        self._moments = moments
        self._shown: _Differences = defaultdict(Counter)
        self._adjusted: _Differences = defaultdict(Counter)

    def add(self, tracks: Iterable[Track]) -> None:
        for track in tracks:
            _count(self._shown, self._moments, _shown(track.points))
            _count(self._adjusted, self._moments, _adjusted(track.points))

    def ratings(self) -> list[Ratings]:
        places = range(len(self._moments))
        pairs = zip(_running(self._shown, places), _running(self._adjusted, places), strict=True)
        return [Ratings(one, other) for one, other in pairs]


# By the place of a moment: how many more reviews count as what from there on.
_Differences = defaultdict[int, Counter[Value]]
# From when to when a review counts, and as what; None: it still does.
_Span = tuple[int, int | None, Value]


def _shown(points: Sequence[Point]) -> Iterator[_Span]:
    for point, end in _with_ends(points):
        if point.status is Status.LIVE:
            yield point.at, end, point.value


def _adjusted(points: Sequence[Point]) -> Iterator[_Span]:
    lives = [(place, point) for place, point in enumerate(points) if point.status is Status.LIVE]
    for number, (place, point) in enumerate(lives):
        if number + 1 < len(lives):
            yield point.at, lives[number + 1][1].at, point.value
        elif points[-1].status is Status.GONE:
            yield point.at, points[place + 1].at, point.value
        else:
            yield point.at, None, point.value


def _with_ends(points: Sequence[Point]) -> Iterator[tuple[Point, int | None]]:
    for place, point in enumerate(points):
        yield point, points[place + 1].at if place + 1 < len(points) else None


def _count(differences: _Differences, moments: Sequence[int], spans: Iterable[_Span]) -> None:
    """Note each span where it begins and ends to count: at the first moment that is not before."""
    for start, end, value in spans:
        differences[bisect_left(moments, start)][value] += 1
        if end is not None:
            differences[bisect_left(moments, end)][value] -= 1


def _running(differences: Mapping[int, Counter[Value]], places: Iterable[int]) -> Iterator[Rating]:
    total: Counter[Value] = Counter()
    rating = _rating(total)
    for place in places:
        if place in differences:
            total.update(differences[place])
            rating = _rating(total)
        yield rating


def _rating(counts: Counter[Value]) -> Rating:
    rated = {value: count for value, count in counts.items() if value[0] is not None}
    number, stars = sum(rated.values()), Counter[int]()
    total = 0
    for (thousandths, _), count in rated.items():
        total += (thousandths or 0) * count
        stars[((thousandths or 0) + _UNIT // 2) // _UNIT] += count
    return Rating(
        count=number,
        count_unrated=sum(count for value, count in counts.items() if value[0] is None),
        average=round(total / number / _UNIT, 4) if number else None,
        stars={str(star): stars[star] for star in _STARS},
        recommended=sum(count for value, count in counts.items() if value[1] is True),
        not_recommended=sum(count for value, count in counts.items() if value[1] is False),
    )


def moments(start: int, end: int, interval: str) -> list[int]:
    """List the beginnings of days, weeks (Monday) or months in UTC from `start` to `end`, both included (ms)."""
    begin = datetime.fromtimestamp(start / 1000, UTC)
    moment = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    if interval == "week":
        moment -= timedelta(days=moment.weekday())
    elif interval == "month":
        moment = moment.replace(day=1)
    found = []
    while (at := round(moment.timestamp() * 1000)) <= end:
        if at >= start:
            found.append(at)
        moment = _next(moment, interval)
    return found


def _next(moment: datetime, interval: str) -> datetime:
    if interval != "month":
        return moment + timedelta(days=7 if interval == "week" else 1)
    return moment.replace(year=moment.year + moment.month // 12, month=moment.month % 12 + 1)
