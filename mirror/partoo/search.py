"""Finding reviews of one business at Partoo: in the plain search, and in the one for deleted reviews."""

from collections.abc import Collection
from typing import Any

import msgspec

from mirror.domain.absences import scope
from mirror.domain.clocks import filter_clock
from mirror.domain.record import Record
from mirror.domain.wire import MAX_REVIEW_ID
from mirror.partoo.api import Page, PartooApi, api_time

# Both are asked where the first does not show a review: whether it shows deleted ones is not documented.
SEARCHES: tuple[dict[str, str], ...] = ({}, {"state": "deleted"})
_SECOND_US = 1_000_000


class Found(msgspec.Struct, frozen=True):
    """A review as Partoo showed it, and when it was asked (ms since 1970 UTC)."""

    review: dict[str, Any]
    observed_at: int


class Answer(msgspec.Struct, frozen=True):
    """The reviews found, by id. `complete`: whoever is not among them stood in no page of listings that held still."""

    found: dict[int, Found]
    complete: bool


class Listing:
    """Watches the pages of one search: a listing that is cut short or shifts while it is read proves no absence."""

    def __init__(self) -> None:
        self._counts: set[int] = set()
        self._ids: set[int] = set()
        self.seen = 0

    def add(self, page: Page) -> None:
        self._counts.add(page.count)
        self.seen += len(page.reviews)
        self._ids |= {review_id(review) for review in page.reviews}

    @property
    def complete(self) -> bool:
        """Whether every page told the same count, and as many different reviews were there."""
        return self._counts == {self.seen} and len(self._ids) == self.seen


async def find(api: PartooApi, records: Collection[Record]) -> Answer:
    """Ask about reviews that are all of one business. Raises as `PartooApi.pages` does."""
    filters = _filters(records)
    wanted = {record.id for record in records}
    found: dict[int, Found] = {}
    complete = True
    for search in SEARCHES:
        listing = Listing()
        async for page in api.pages({**filters, **search}):
            listing.add(page)
            for review in page.reviews:
                if review_id(review) in wanted:
                    found[review_id(review)] = Found(review, page.observed_at)
            if wanted <= found.keys():
                return Answer(found, complete=True)
        complete = complete and listing.complete
    return Answer(found, complete)


def review_id(review: dict[str, Any]) -> int:
    """Return the id of a review as Partoo showed it, -1 if it has none that is valid."""
    value = review.get("id")
    return value if type(value) is int and 0 <= value <= MAX_REVIEW_ID else -1


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
    """Give the oldest clock of what is known of a review; a deletion may carry none."""
    clocks = [filter_clock(state) for state in (record.review, record.last_live) if state is not None]
    return min((moment for moment in clocks if moment is not None), default=None)
