"""Finding reviews of one business at Partoo: in the plain search, and in the one for deleted reviews."""

from collections.abc import Collection
from typing import Any

import msgspec

from mirror.domain.absences import scope
from mirror.domain.clocks import Payload, clock_of, instant
from mirror.domain.reading import OMITTED_MS
from mirror.domain.record import Record
from mirror.partoo.api import PartooApi, api_time
from mirror.partoo.listing import Listing

# Both are asked where the first does not show a review: whether it shows deleted ones is not documented.
SEARCHES: tuple[dict[str, str], ...] = ({}, {"state": "deleted"})
_SECOND_US = 1_000_000


class Found(msgspec.Struct, frozen=True):
    """A review as Partoo showed it, and when it was asked (ms since 1970 UTC)."""

    review: dict[str, Any]
    observed_at: int


class Answer(msgspec.Struct, frozen=True):
    """The reviews found, by id.

    `held_still`: neither listing was cut short or shifted. `unreadable` counts their items that cannot be read.
    """

    found: dict[int, Found]
    held_still: bool
    unreadable: int = 0


async def find(api: PartooApi, records: Collection[Record]) -> Answer:
    """Ask about reviews that are all of one business. Raises as `PartooApi.pages` does."""
    filters = _filters(records)
    wanted = {record.id for record in records}
    found: dict[int, Found] = {}
    held_still, unreadable = True, 0
    for search in SEARCHES:
        listing = Listing()
        async for page in api.pages({**filters, **search}):
            listing.add(page)
            for review in page.reviews:
                if review["id"] in wanted:
                    found[review["id"]] = Found(review, page.observed_at)
            if wanted <= found.keys():
                return Answer(found, held_still=True, unreadable=unreadable + listing.unreadable)
        held_still = held_still and listing.held_still
        unreadable += listing.unreadable
    return Answer(found, held_still, unreadable)


def _filters(records: Collection[Record]) -> dict[str, str]:
    """Narrow the search to the business, and to what has changed since the oldest state that may be the true one."""
    business = {scope(record)[1] for record in records}
    filters = {"business__in": ",".join(business)} if business != {""} else {}
    clocks = [_oldest_clock(record) for record in records]
    known = [moment for moment in clocks if moment is not None]
    if len(known) == len(clocks):
        filters["update_date__gte"] = api_time(max(0, min(known) - _SECOND_US))
    return filters


def _oldest_clock(record: Record) -> int | None:
    """Give the oldest clock of the states that may be the true one (microseconds since 1970 UTC); None without any."""
    states = [payload for payload in (record.current, record.live) if payload is not None]
    clocks = [moment for payload in states if (moment := _moment(payload)) is not None]
    since = record.last_changed_at - OMITTED_MS
    left = [state for state in record.previous_states if state.until > since and state.age_field != "delete_date"]
    return min(clocks + [state.clock.at for state in left if state.clock is not None], default=None)


def _moment(payload: Payload) -> int | None:
    """Give a payload's clock; where it is odd, the oldest moment that it tells: no odd clock may hide the review."""
    clock = clock_of(payload)
    if clock is not None:
        return clock.at
    told = [instant(payload.review.get(name)) for name in ("update_date", "date")]
    return min((moment.at for moment in told if moment is not None), default=None)
