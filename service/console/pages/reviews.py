"""Searching reviews: by id, business, partner, status and certainty, page by page."""

from urllib.parse import urlencode

from aiohttp import web

from mirror.domain.changes import Certainty
from mirror.domain.lifecycle import Status
from mirror.domain.review import MAX_FILTER_CHARS
from mirror.domain.wire import MAX_REVIEW_ID
from mirror.storage import reads
from service.console.visit import Page, Visit, see_other
from service.console.words import whole_number

PAGE_SIZE = 50
_FILTERS = ("business_id", "partner", "status", "certainty")


async def list_reviews(visit: Visit) -> Page | web.Response:
    wanted = visit.parameter("id")
    if wanted:
        review_id = whole_number(wanted, "The id of a review", 0)
        return see_other(f"/console/reviews/{review_id}")
    filters = {name: visit.parameter(name) for name in _FILTERS}
    statuses, certainties = [str(one) for one in Status], [str(one) for one in Certainty]
    query = reads.Query(
        limit=PAGE_SIZE,
        business_id=filters["business_id"][:MAX_FILTER_CHARS] or None,
        partner=_partner(visit),
        status=Status(filters["status"]) if filters["status"] in statuses else None,
        certainty=Certainty(filters["certainty"]) if filters["certainty"] in certainties else None,
        after=min(whole_number(visit.parameter("after"), "after", -1), MAX_REVIEW_ID),
    )
    found = await reads.page(visit.store, query)
    following = None
    if found.after is not None:
        kept = {name: value for name, value in filters.items() if value}
        following = "/console/reviews?" + urlencode(kept | {"after": found.after})
    visit.log_read(len(found.records), **{name: value or None for name, value in filters.items()})
    values = {
        "filters": filters,
        "statuses": statuses,
        "certainties": certainties,
        "partners": await reads.known_partners(visit.store),
        "records": found.records,
        "corrupt": [error.review_id for error in found.corrupt],
        "following": following,
        "is_filtered": any(filters.values()),
        "is_first": query.after < 0,
    }
    return Page("reviews.html", "Reviews", values)


def _partner(visit: Visit) -> str | None:
    return visit.parameter("partner")[:MAX_FILTER_CHARS] or None
