"""`GET /ratings`: the rating as it was shown and as it was: now, at a moment, or as a series."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
from aiohttp import web

from mirror.clock import iso
from mirror.domain.ratings import Series, Track, moments
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
# Of all groups together.
MAX_GROUPED_BUCKETS = 100_000
_GROUPS = ("business", "partner")


async def get_ratings(request: web.Request) -> web.Response:
    """Answer the ratings of a business, a partner, or all, at a moment or at each beginning of an interval."""
    authorize(request)
    parameters.check_parameters(request, "business_id", "partner", "group_by", "at", "from", "to", "interval")
    business_id, partner = parameters.filter_by(request, "business_id"), parameters.filter_by(request, "partner")
    group_by = parameters.choice(request, "group_by", _GROUPS)
    store = request.app[READ_STORE]
    moments_asked = _moments(request, await store.now())
    wanted = _Wanted(partner, moments_asked, of_series="from" in request.query)
    if not await ratings.catch_up(store, CATCH_UP_STEPS):
        message = "the ratings are still being worked out from the histories; try again"
        raise ServiceError(503, "ratings_not_ready", message, {"Retry-After": str(RETRY_AFTER_S)})
    names = await ratings.businesses(store) if business_id is None else [business_id]
    if group_by == "business":
        if len(names) * len(moments_asked) > MAX_GROUPED_BUCKETS:
            problem = f"makes more than {MAX_GROUPED_BUCKETS} buckets of {len(names)} businesses: take a longer one"
            raise parameters.bad_parameter("interval", problem)
        return json_response({"groups": [one async for one in _by_business(store, names, wanted)]})
    found: dict[str, Series] = {}
    for name in names:
        await _add(store, name, wanted, found, by_partner=group_by == "partner")
    if group_by == "partner":
        groups = [{"partner": name} | _answer(one, wanted) for name, one in sorted(found.items())]
        return json_response({"groups": groups})
    return json_response(_answer(found.get("", Series(moments_asked)), wanted))


class _Wanted(msgspec.Struct, frozen=True):
    partner: str | None
    moments: list[int]
    of_series: bool


async def _by_business(store: Store, names: Sequence[str], wanted: _Wanted) -> AsyncIterator[dict[str, Any]]:
    for name in names:
        found: dict[str, Series] = {}
        await _add(store, name, wanted, found, by_partner=False)
        if found:
            yield {"business_id": name} | _answer(found[""], wanted)


async def _add(store: Store, business_id: str, wanted: _Wanted, found: dict[str, Series], *, by_partner: bool) -> None:
    """Count the reviews of a business in `found`, by partner or all under one name."""
    async for piece in ratings.tracks(store, business_id):
        groups: dict[str, list[Track]] = {}
        for track in piece:
            if wanted.partner in (None, track.partner):
                groups.setdefault(track.partner if by_partner else "", []).append(track)
        for group, tracks in groups.items():
            found.setdefault(group, Series(wanted.moments)).add(tracks)


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


def _answer(found: Series, wanted: _Wanted) -> dict[str, Any]:
    buckets = [
        {"at": iso(at), "shown": one.shown, "adjusted": one.adjusted}
        for at, one in zip(wanted.moments, found.ratings(), strict=True)
    ]
    return {"buckets": buckets} if wanted.of_series else buckets[0]
