"""The read API: one review, its history, and lists of reviews. Closed unless API_TOKEN is set."""

from functools import partial

from aiohttp import web

from mirror.clock import iso
from mirror.domain.history import HistoryTrimmedError, Lookback, Rewind
from mirror.domain.record import Record
from mirror.storage import feed, histories, reads
from mirror.views import changes_view, record_view
from service.api import parameters
from service.app_keys import READ_STORE
from service.auth import authorize, log_read
from service.errors import ServiceError, json_response, tell_corrupt

# Of the reviews in one list that cannot be read, how many get a line in the log; the answer names them all.
MAX_CORRUPT_TOLD = 10


async def get_review(request: web.Request) -> web.Response:
    token = authorize(request)
    parameters.check_parameters(request, "at")
    review_id = parameters.review_id(request)
    moment = parameters.moment(request)
    if moment is None:
        record = await reads.record(request.app[READ_STORE], review_id)
    else:
        record = await _as_of(request, review_id, moment)
    shown = record_view(_present(record, review_id))
    log_read(request, token, 1, review_id=review_id, at=None if moment is None else iso(moment))
    return json_response(shown)


async def get_changes(request: web.Request) -> web.Response:
    token = authorize(request)
    parameters.check_parameters(request, "limit", "cursor")
    review_id = parameters.review_id(request)
    limit = parameters.limit(request)
    store = request.app[READ_STORE]
    shown = await reads.changes_page(store, review_id, parameters.cursor(request), limit)
    # Only the beginning is worked out from the whole history; most pages do without.
    begins = bool(shown) and (shown[0].version == 1 or shown[0].trimmed is not None)
    whole = not shown or begins
    first = None
    if begins:
        found = await histories.walk(store, review_id, Rewind)
        _present(None if found is None else found[0], review_id)
        first = None if found is None else found[1].payload
    elif whole:
        opened = await histories.begin(store, review_id)
        _present(None if opened is None else opened[0], review_id)
    following = None if whole else str(shown[0].version)
    log_read(request, token, 1, review_id=review_id)
    return json_response({"changes": changes_view(shown[::-1], first), "next": following})


async def list_reviews(request: web.Request) -> web.Response:
    """List reviews; those that Redis holds in no readable form are left out, named and logged."""
    token = authorize(request)
    parameters.check_parameters(request, "business_id", "status", "partner", "limit", "cursor")
    store = request.app[READ_STORE]
    after, position = parameters.list_cursor(request)
    if position is None:
        # Taken before the list begins: the list and the feed from here on miss nothing together.
        position = (await feed.bounds(store)).last
    query = reads.Query(
        limit=parameters.limit(request),
        business_id=parameters.filter_by(request, "business_id"),
        status=parameters.status(request),
        partner=parameters.filter_by(request, "partner"),
        after=after,
    )
    page = await reads.page(store, query)
    for error in page.corrupt[:MAX_CORRUPT_TOLD]:
        tell_corrupt(request, error)
    log_read(
        request, token, len(page.records), business_id=query.business_id, partner=query.partner, status=query.status
    )
    answer = {
        "reviews": [record_view(record) for record in page.records],
        "next": None if page.after is None else f"{page.after}@{position}",
        "cursor": str(position),
    }
    corrupt = {"corrupt": [error.review_id for error in page.corrupt]} if page.corrupt else {}
    return json_response(answer | corrupt)


def _present(record: Record | None, review_id: int) -> Record:
    """Return a review's record; raise what to answer where there is none, or only a tombstone."""
    if record is None:
        raise _not_found(review_id)
    if record.forgotten_at is not None:
        raise ServiceError(
            410, "review_forgotten", f"review {review_id} was erased on demand at {iso(record.forgotten_at)}"
        )
    return record


def _not_found(review_id: int) -> ServiceError:
    return ServiceError(404, "review_not_found", f"no delivery about review {review_id} has been applied")


async def _as_of(request: web.Request, review_id: int, moment: int) -> Record | None:
    found = await histories.walk(request.app[READ_STORE], review_id, partial(Lookback, moment=moment))
    try:
        if found is None:
            return None
        then = found[1].found()
    except HistoryTrimmedError as error:
        raise ServiceError(
            404, "history_trimmed", f"of review {review_id} nothing older than {iso(error.since)} is kept"
        ) from None
    if then is None:
        first_seen = iso(found[0].first_seen_at)
        raise ServiceError(
            404, "review_not_found", f"review {review_id} was first seen at {first_seen}, after that time"
        )
    return then
