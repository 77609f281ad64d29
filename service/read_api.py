"""The read API: one review, its history, and lists of reviews. Closed unless API_TOKEN is set."""

from collections.abc import Sequence

from aiohttp import web

from mirror.domain.changes import Change
from mirror.domain.history import first_payload, replay
from mirror.domain.record import Record
from mirror.storage import reads
from mirror.views import changes_view, record_view
from service import parameters
from service.access import authorize
from service.errors import ServiceError, json_response
from service.state import READ_STORE


async def get_review(request: web.Request) -> web.Response:
    authorize(request)
    parameters.check_parameters(request, "at")
    review_id = parameters.review_id(request)
    moment = parameters.moment(request)
    if moment is None:
        record = await reads.record(request.app[READ_STORE], review_id)
    else:
        record = await _as_of(request, review_id, moment)
    if record is None:
        raise _not_found(review_id)
    return json_response(record_view(record))


async def get_changes(request: web.Request) -> web.Response:
    authorize(request)
    parameters.check_parameters(request, "limit", "cursor")
    review_id = parameters.review_id(request)
    limit = parameters.limit(request)
    before = parameters.cursor(request)
    store = request.app[READ_STORE]
    shown = await reads.changes_page(store, review_id, before, limit)
    # Only the first sight is worked out from the whole history; most pages do without.
    whole = not shown or shown[0].version == 1
    found = await reads.record_and_changes(store, review_id) if whole else None
    if whole and found is None:
        raise _not_found(review_id)
    first = None if found is None else first_payload(*found)
    following = str(shown[0].version) if shown and shown[0].version > 1 else None
    return json_response({"changes": changes_view(shown[::-1], first), "next": following})


async def list_reviews(request: web.Request) -> web.Response:
    authorize(request)
    parameters.check_parameters(request, "business_id", "status", "partner", "limit", "cursor")
    after = parameters.cursor(request)
    query = reads.Query(
        limit=parameters.limit(request),
        business_id=request.query.get("business_id"),
        status=parameters.status(request),
        partner=request.query.get("partner"),
        after=-1 if after is None else after,
    )
    page = await reads.page(request.app[READ_STORE], query)
    following = None if page.after is None else str(page.after)
    return json_response({"reviews": [record_view(record) for record in page.records], "next": following})


def _not_found(review_id: int) -> ServiceError:
    return ServiceError(404, "review_not_found", f"no delivery about review {review_id} has been applied")


async def _as_of(request: web.Request, review_id: int, moment: int) -> Record | None:
    found = await reads.record_and_changes(request.app[READ_STORE], review_id)
    if found is None:
        return None
    record, changes = found
    if moment >= record.last_received_at:
        return record
    until: Sequence[Change] = [change for change in changes if change.received_at <= moment]
    return replay(first_payload(record, changes), until)
