"""What the read API reads of a URL: ids, limits, cursors, moments. What cannot be used is named, with 400."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from aiohttp import web

from mirror.domain.feed import Position
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
            raise bad_parameter(name, f"is unknown; known are: {', '.join(known)}")
        if len(request.query.getall(name)) > 1:
            raise bad_parameter(name, "is there more than once")


def filter_by(request: web.Request, name: str) -> str | None:
    """Read a text to filter by, as far as indexes know such texts; None where there is none."""
    value = request.query.get(name)
    return None if value is None else value[:MAX_FILTER_CHARS]


def review_id(request: web.Request) -> int:
    text = request.match_info["id"]
    if not _is_id(text):
        raise ServiceError(404, "review_not_found", "a review's id is a whole number")
    return int(text)


def cursor(request: web.Request) -> int | None:
    return _whole_number(request, "cursor") if "cursor" in request.query else None


def list_cursor(request: web.Request) -> tuple[int, Position | None]:
    """Read where a list of reviews goes on: behind which id, and the feed's position when the list was begun."""
    given = request.query.get("cursor")
    if given is None:
        return -1, None
    after, _, position = given.partition("@")
    wrong = bad_parameter("cursor", "must be `next` of the page before")
    if not re.fullmatch(r"[0-9]{1,19}", after):
        raise wrong
    try:
        # Behind the highest id there is nothing, which is an answer too.
        return min(int(after), MAX_REVIEW_ID), Position.read(position) if position else None
    except ValueError:
        raise wrong from None


def limit(request: web.Request, default: int = DEFAULT_LIMIT, most: int = MAX_LIMIT) -> int:
    number = _whole_number(request, "limit") if "limit" in request.query else default
    if not 1 <= number <= most:
        raise bad_parameter("limit", f"must be from 1 to {most}")
    return number


def status(request: web.Request) -> Status | None:
    text = request.query.get("status")
    if text is None:
        return None
    try:
        return Status(text)
    except ValueError:
        raise bad_parameter("status", f"must be one of {', '.join(Status)}") from None


def choice(request: web.Request, name: str, choices: Sequence[str]) -> str | None:
    """Read one of some words; None where there is none."""
    given = request.query.get(name)
    if given is not None and given not in choices:
        raise bad_parameter(name, f"must be one of {', '.join(choices)}")
    return given


def moment(request: web.Request, name: str = "at") -> int | None:
    """Read an ISO 8601 time, in milliseconds since 1970 UTC; without an offset it is UTC."""
    given = request.query.get(name)
    if given is None:
        return None
    if re.fullmatch(r"[-+ ]?[0-9.]+", given) and not re.fullmatch(r"[0-9]{8}", given):
        raise bad_parameter("at", "is a number: write the time as ISO 8601, such as 2025-09-12T00:00:00Z")
    try:
        # A plus sign that was not escaped in the URL arrives as a space.
        read = datetime.fromisoformat(given.replace(" ", "+") if "T" in given else given)
        aware = read if read.tzinfo is not None else read.replace(tzinfo=UTC)
        return int(aware.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise bad_parameter(name, "must be an ISO 8601 time, such as 2025-09-12T00:00:00Z") from None


def _is_id(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,19}", text) is not None and int(text) <= MAX_REVIEW_ID


def _whole_number(request: web.Request, name: str) -> int:
    given = request.query[name]
    if not _is_id(given):
        raise bad_parameter(name, "must be a whole number")
    return int(given)


def bad_parameter(name: str, problem: str) -> ServiceError:
    """Make the answer to a parameter that cannot be used."""
    return ServiceError(400, "bad_parameter", f"the parameter {name[:100]!a} {problem}")
