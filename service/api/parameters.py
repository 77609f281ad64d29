"""What the read API reads of a URL: ids, limits, cursors, moments. What cannot be used is named, with 400."""

import re
from datetime import UTC, datetime

from aiohttp import web

from mirror.domain.lifecycle import Status
from mirror.domain.review import MAX_FILTER_CHARS
from mirror.domain.wire import MAX_REVIEW_ID
from service.errors import ServiceError

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


def check_parameters(request: web.Request, *known: str) -> None:
    """Refuse a parameter that is unknown, or there twice: whichever counted, it might not be the one meant."""
    for name in request.query:
        if name not in known:
            raise _bad_parameter(name, f"is unknown; known are: {', '.join(known)}")
        if len(request.query.getall(name)) > 1:
            raise _bad_parameter(name, "is there more than once")


def filter_by(request: web.Request, name: str) -> str | None:
    """Read a text to filter by, as far as indexes know such texts; None where there is none."""
    value = request.query.get(name)
    return None if value is None else value[:MAX_FILTER_CHARS]


def review_id(request: web.Request) -> int:
    text = request.match_info["id"]
    if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) > MAX_REVIEW_ID:
        raise ServiceError(404, "review_not_found", "a review's id is a whole number")
    return int(text)


def cursor(request: web.Request) -> int | None:
    return _whole_number(request, "cursor") if "cursor" in request.query else None


def limit(request: web.Request) -> int:
    number = _whole_number(request, "limit") if "limit" in request.query else DEFAULT_LIMIT
    if not 1 <= number <= MAX_LIMIT:
        raise _bad_parameter("limit", f"must be from 1 to {MAX_LIMIT}")
    return number


def status(request: web.Request) -> Status | None:
    text = request.query.get("status")
    if text is None:
        return None
    try:
        return Status(text)
    except ValueError:
        raise _bad_parameter("status", f"must be one of {', '.join(Status)}") from None


def moment(request: web.Request) -> int | None:
    """Read `at`, an ISO 8601 time, in milliseconds since 1970 UTC; without an offset it is UTC."""
    given = request.query.get("at")
    if given is None:
        return None
    try:
        # A plus sign that was not escaped in the URL arrives as a space.
        read = datetime.fromisoformat(given.replace(" ", "+") if "T" in given else given)
        aware = read if read.tzinfo is not None else read.replace(tzinfo=UTC)
        return int(aware.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise _bad_parameter("at", "must be an ISO 8601 time, such as 2025-09-12T00:00:00Z") from None


def _whole_number(request: web.Request, name: str) -> int:
    given = request.query[name]
    if not re.fullmatch(r"[0-9]{1,19}", given) or int(given) > MAX_REVIEW_ID:
        raise _bad_parameter(name, "must be a whole number")
    return int(given)


def _bad_parameter(name: str, problem: str) -> ServiceError:
    return ServiceError(400, "bad_parameter", f"the parameter {name[:100]!a} {problem}")
