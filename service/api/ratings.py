"""`GET /ratings`: the rating as it was shown and as it was: now, at a moment, or as a series."""

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from mirror.clock import iso
from mirror.domain.ratings import Ratings, Track, moments, series
from mirror.storage import ratings
from mirror.storage.store import Store
from service.api import parameters
from service.app_keys import READ_STORE
from service.auth import authorize
from service.errors import RETRY_AFTER_S, ServiceError, json_response

# Steps of following the feed that a reader does itself, so that an answer holds what was committed before it.
CATCH_UP_STEPS = 10
INTERVALS = ("day", "week", "month")
MAX_BUCKETS = 1_000
_GROUPS = ("business", "partner")


async def get_ratings(request: web.Request) -> web.Response:
    """Answer the ratings of a business, a partner, or all, at a moment or at each beginning of an interval."""
    authorize(request)
    parameters.check_parameters(request, "business_id", "partner", "group_by", "at", "from", "to", "interval")
    business_id, partner = parameters.filter_by(request, "business_id"), parameters.filter_by(request, "partner")
    group_by = parameters.choice(request, "group_by", _GROUPS)
    store = request.app[READ_STORE]
    wanted = _moments(request, await store.now())
    if not await ratings.catch_up(store, CATCH_UP_STEPS):
        message = "the ratings are still being worked out from the histories; try again"
        raise ServiceError(503, "ratings_not_ready", message, {"Retry-After": str(RETRY_AFTER_S)})
    grouped = await _grouped(store, business_id, partner, group_by)
    if group_by is None:
        return json_response(_answer(grouped.get("", []), wanted, of_series="from" in request.query))
    name = "business_id" if group_by == "business" else "partner"
    groups = [
        {name: group} | _answer(tracks, wanted, of_series="from" in request.query)
        for group, tracks in sorted(grouped.items())
    ]
    return json_response({"groups": groups})


def _moments(request: web.Request, now: int) -> list[int]:
    start, end = parameters.moment(request, "from"), parameters.moment(request, "to")
    interval = parameters.choice(request, "interval", INTERVALS)
    at = parameters.moment(request, "at")
    if start is None:
        for name in ("to", "interval"):
            if name in request.query:
                raise parameters.bad_parameter(name, "is of a series: give `from` too")
        return [now if at is None else at]
    if at is not None:
        raise parameters.bad_parameter("at", "is one moment: leave it out of a series, or leave out `from`")
    end = now if end is None else end
    if end < start:
        raise parameters.bad_parameter("to", "lies before `from`")
    found = moments(start, end, interval or "day")
    if len(found) > MAX_BUCKETS:
        raise parameters.bad_parameter("interval", f"makes more than {MAX_BUCKETS} buckets: take a longer one")
    return found


async def _grouped(
    store: Store, business_id: str | None, partner: str | None, group_by: str | None
) -> dict[str, list[Track]]:
    groups: dict[str, list[Track]] = {}
    for name in await ratings.businesses(store) if business_id is None else [business_id]:
        async for piece in ratings.tracks(store, name):
            for track in piece:
                if partner is None or track.partner == partner:
                    group = "" if group_by is None else name if group_by == "business" else track.partner
                    groups.setdefault(group, []).append(track)
    return groups


def _answer(tracks: Iterable[Track], wanted: list[int], *, of_series: bool) -> dict[str, Any]:
    found = series(tracks, wanted)
    if not of_series:
        return {"at": iso(wanted[0])} | _view(found[0])
    return {"buckets": [{"at": iso(at)} | _view(one) for at, one in zip(wanted, found, strict=True)]}


def _view(found: Ratings) -> dict[str, Any]:
    return {"shown": found.shown, "adjusted": found.adjusted}
