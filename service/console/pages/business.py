"""One business: its rating over time, shown and adjusted, its incidents, and the reviews behind each point."""

import asyncio
import math
from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from mirror.clock import iso
from mirror.domain.absences import Counts
from mirror.domain.durations import quantiles
from mirror.domain.incidents import Incident, business_scope, partner_scope
from mirror.domain.ratings import Point, Ratings, Track, series
from mirror.domain.review import MAX_FILTER_CHARS
from mirror.storage import absences, incidents, ratings
from service.console.chart import Axes, Chart, draw
from service.console.rendering import when
from service.console.visit import Page, PageError, Visit, see_other
from service.console.words import moment

_MINUTE, _HOUR, _DAY = 60_000, 3_600_000, 86_400_000
# How long a time the charts show, and how far apart their points lie.
RANGES = {
    "1h": ("the last hour", _HOUR, 2 * _MINUTE),
    "24h": ("the last 24 hours", _DAY, _HOUR),
    "30d": ("the last 30 days", 30 * _DAY, _DAY),
    "90d": ("the last 90 days", 90 * _DAY, 3 * _DAY),
    "1y": ("the last year", 365 * _DAY, 7 * _DAY),
}
_DEFAULT = "30d"
MOST_LISTED = 200
MOST_CHANGES = 200
_CLOSED_LOOKED_AT = 100


class Moment(msgspec.Struct, frozen=True):
    """One point of the charts; `path` leads to the reviews that changed since the point before."""

    at: int
    ratings: Ratings
    path: str


class Moved(msgspec.Struct, frozen=True):
    """What became of one review between two points: from what, if it was there, to what."""

    review_id: int
    partner: str
    before: Point | None
    after: Point


async def list_businesses(visit: Visit) -> Page | web.Response:
    if wanted := visit.parameter("business_id"):
        return see_other(_path(wanted[:MAX_FILTER_CHARS]))
    overview, names = await asyncio.gather(absences.overview(visit.store, 20), ratings.businesses(visit.store))
    values = {
        "most_absences": overview.by_business,
        "names": names[:MOST_LISTED],
        "more": max(0, len(names) - MOST_LISTED),
    }
    return Page("businesses.html", "Businesses", values)


async def show_business(visit: Visit) -> Page:
    business_id = _business_id(visit)
    chosen = visit.parameter("range")
    chosen = chosen if chosen in RANGES else _DEFAULT
    _, length, step = RANGES[chosen]
    found = [track async for piece in ratings.tracks(visit.store, business_id) for track in piece]
    (counts,), own, progress = await asyncio.gather(
        absences.counts(visit.store, [business_scope(business_id)]),
        _incidents(visit, business_id, {track.partner for track in found}),
        ratings.progress(visit.store),
    )
    # In a thread: deliveries are not to wait for it.
    points = await asyncio.to_thread(_moments, business_id, found, _times(visit.now, length, step))
    values = {
        "business_id": business_id,
        "range": chosen,
        "ranges": {name: words for name, (words, _, _) in RANGES.items()},
        "latest": points[-1].ratings,
        "points": points,
        "tracks": len(found),
        "counts": counts,
        "returned_after_s": _returned_after(counts),
        "incidents": own,
        "charts": _charts(points, own, visit.now, step) if found else [],
        "is_built": progress is not None and progress.built,
    }
    return Page("business.html", "Businesses", values)


async def show_changes(visit: Visit) -> Page:
    """Show the reviews behind a point: those whose status or rating changed since the point before."""
    business_id = _business_id(visit)
    start, end = moment(visit.parameter("from"), "from"), moment(visit.parameter("to"), "to")
    if start is None or end is None:
        raise PageError(400, "This address cannot be read", "It takes the times `from` and `to`.")
    moved: list[Moved] = []
    async for piece in ratings.tracks_by_review(visit.store, business_id):
        moved += [change for review_id, track in piece for change in _moved(review_id, track, start, end)]
    moved.sort(key=lambda one: (one.after.at, one.review_id))
    values = {
        "business_id": business_id,
        "start": start,
        "end": end,
        "moved": moved[:MOST_CHANGES],
        "count": len(moved),
        "back": _path(business_id),
    }
    return Page("business_changes.html", "Businesses", values)


def _business_id(visit: Visit) -> str:
    business_id = visit.parameter("business_id")[:MAX_FILTER_CHARS]
    if not business_id:
        raise PageError(400, "Which business?", "The address names none. Look for it on the page Businesses.")
    return business_id


def _path(business_id: str, page: str = "/console/business", **parameters: str) -> str:
    return f"{page}?{urlencode({'business_id': business_id} | parameters)}"


def _times(now: int, length: int, step: int) -> list[int]:
    """List the times of the points: round ones, and now."""
    first = (now - length) // step * step
    return [*range(first, now, step), now]


def _moments(business_id: str, tracks: Sequence[Track], times: Sequence[int]) -> list[Moment]:
    before = [2 * times[0] - times[1], *times]
    page = "/console/business/changes"
    return [
        Moment(at, found, _path(business_id, page, **{"from": iso(since), "to": iso(at)}))
        for since, at, found in zip(before, times, series(tracks, times), strict=False)
    ]


async def _incidents(visit: Visit, business_id: str, partners: set[str]) -> list[Incident]:
    """Read the incidents of a business, and those of its partners: these may have taken reviews of it too."""
    scopes = {business_scope(business_id), *map(partner_scope, partners)}
    found = await incidents.page(visit.store, 0, _CLOSED_LOOKED_AT)
    return [one for one in found if one.scope in scopes]


def _returned_after(counts: Counts) -> dict[str, float | None]:
    return quantiles(counts.back)


def _charts(points: Sequence[Moment], own: Sequence[Incident], now: int, step: int) -> list[tuple[str, str, Chart]]:
    """Draw the average rating and the number of ratings: an incident may show in one of them only."""
    times = [point.at for point in points]
    bands = [(one.first_vanished_at, one.closed_at or now, "incident") for one in own]
    averages = [[point.ratings.shown.average for point in points], [point.ratings.adjusted.average for point in points]]
    numbers = [[point.ratings.shown.count for point in points], [point.ratings.adjusted.count for point in points]]
    links = [(point.path, _words(point)) for point in points]

    def write_moment(at: int) -> str:
        return when(at)[5:16] if step < _DAY else when(at)[:10]

    def chart(values: Sequence[Sequence[float | None]], bounds: tuple[float, float], digits: int) -> Chart:
        lines = list(zip(("shown", "adjusted"), values, strict=True))
        return draw(times, lines, bands, links, Axes(*bounds, lambda value: f"{value:,.{digits}f}", write_moment))

    return [
        ("average", "Average rating", chart(averages, _star_bounds(averages), 2)),
        ("number", "Reviews with a rating", chart(numbers, (0, _nice(max(max(line) for line in numbers))), 0)),
    ]


def _words(point: Moment) -> str:
    one = point.ratings.shown
    return f"{when(point.at)}: shown {'no rating' if one.average is None else one.average}, {one.count} ratings"


def _star_bounds(lines: Sequence[Sequence[float | None]]) -> tuple[float, float]:
    """Choose an axis of half stars around what is drawn, one star high at least."""
    values = [value for line in lines for value in line if value is not None] or [1, 5]
    low, high = math.floor(2 * min(values)) / 2, math.ceil(2 * max(values)) / 2
    return (max(0.0, min(low, high - 1)), high) if high > 1 else (0.0, 1.0)


def _nice(highest: float) -> int:
    """Round up to a number that can be cut into four."""
    size = int("1" + "0" * max(0, len(str(round(highest))) - 2))
    return max(4, int(math.ceil(highest / (4 * size)) * 4 * size))


def _moved(review_id: int, track: Track, start: int, end: int) -> list[Moved]:
    pairs = zip((None, *track.points), track.points, strict=False)
    return [Moved(review_id, track.partner, before, after) for before, after in pairs if start < after.at <= end]
