"""The read API: one review, its history, and lists of reviews. Closed unless API_TOKEN is set."""

import hmac
import re
from datetime import UTC, datetime

from aiohttp import web

from mirror.clock import iso
from mirror.domain.history import HistoryTrimmedError, as_of, first_payload
from mirror.domain.lifecycle import Status
from mirror.domain.record import Record
from mirror.domain.wire import MAX_REVIEW_ID
from mirror.storage import reads
from mirror.views import changes_view, record_view
from service.errors import ServiceError, json_response
from service.state import READ_STORE, SETTINGS

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


async def get_review(request: web.Request) -> web.Response:
    _authorize(request)
    _check_parameters(request, "at")
    review_id = _review_id(request)
    if "at" in request.query:
        record = await _as_of(request, review_id, _moment(request.query["at"]))
    else:
        record = await reads.record(request.app[READ_STORE], review_id)
    return json_response(record_view(_present(record, review_id)))


async def get_changes(request: web.Request) -> web.Response:
    _authorize(request)
    _check_parameters(request, "limit", "cursor")
    review_id = _review_id(request)
    limit = _limit(request)
    before = _whole_number(request, "cursor") if "cursor" in request.query else None
    store = request.app[READ_STORE]
    shown = await reads.changes_page(store, review_id, before, limit)
    # Only the beginning is worked out from the whole history; most pages do without.
    begins = bool(shown) and (shown[0].version == 1 or shown[0].trimmed is not None)
    whole = not shown or begins
    found = await reads.record_and_changes(store, review_id) if whole else None
    if whole:
        _present(None if found is None else found[0], review_id)
    first = None if found is None else first_payload(*found)
    following = None if whole else str(shown[0].version)
    return json_response({"changes": changes_view(shown[::-1], first), "next": following})


async def list_reviews(request: web.Request) -> web.Response:
    _authorize(request)
    _check_parameters(request, "business_id", "status", "partner", "limit", "cursor")
    query = reads.Query(
        limit=_limit(request),
        business_id=request.query.get("business_id"),
        status=_status(request),
        partner=request.query.get("partner"),
        after=_whole_number(request, "cursor") if "cursor" in request.query else -1,
    )
    page = await reads.page(request.app[READ_STORE], query)
    following = None if page.after is None else str(page.after)
    return json_response({"reviews": [record_view(record) for record in page.records], "next": following})


def _authorize(request: web.Request) -> None:
    token = request.app[SETTINGS].api_token
    if token is None:
        raise ServiceError(403, "read_api_closed", "the read API is closed: set API_TOKEN to open it")
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(
        given.strip().encode(errors="surrogateescape"), token.encode()
    ):
        raise ServiceError(
            401,
            "unauthorized",
            "send the API token in the header Authorization: Bearer …",
            {"WWW-Authenticate": 'Bearer realm="reviewmirror"'},
        )


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


def _review_id(request: web.Request) -> int:
    text = request.match_info["id"]
    if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) > MAX_REVIEW_ID:
        raise ServiceError(404, "review_not_found", "a review's id is a whole number")
    return int(text)


def _check_parameters(request: web.Request, *known: str) -> None:
    for name in request.query:
        if name not in known:
            raise _bad_parameter(name, f"is unknown; known are: {', '.join(known)}")


def _bad_parameter(name: str, problem: str) -> ServiceError:
    return ServiceError(400, "bad_parameter", f"the parameter {name[:100]!a} {problem}")


def _whole_number(request: web.Request, name: str) -> int:
    text = request.query[name]
    if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) > MAX_REVIEW_ID:
        raise _bad_parameter(name, "must be a whole number")
    return int(text)


def _limit(request: web.Request) -> int:
    limit = _whole_number(request, "limit") if "limit" in request.query else DEFAULT_LIMIT
    if not 1 <= limit <= MAX_LIMIT:
        raise _bad_parameter("limit", f"must be from 1 to {MAX_LIMIT}")
    return limit


def _status(request: web.Request) -> Status | None:
    text = request.query.get("status")
    if text is None:
        return None
    try:
        return Status(text)
    except ValueError:
        raise _bad_parameter("status", f"must be one of {', '.join(Status)}") from None


def _moment(text: str) -> int:
    """Read an ISO 8601 time, in milliseconds since 1970 UTC; without an offset it is UTC."""
    try:
        # A plus sign that was not escaped in the URL arrives as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return int(aware.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise _bad_parameter("at", "must be an ISO 8601 time, such as 2025-09-12T00:00:00Z") from None


async def _as_of(request: web.Request, review_id: int, moment: int) -> Record | None:
    found = await reads.record_and_changes(request.app[READ_STORE], review_id)
    try:
        return None if found is None else as_of(*found, moment)
    except HistoryTrimmedError as error:
        raise ServiceError(
            404, "history_trimmed", f"of review {review_id} nothing older than {iso(error.since)} is kept"
        ) from None
