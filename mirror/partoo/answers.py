"""What Partoo's API may answer to one request: its status, its body, and a page read item by item.

One item that cannot be read costs only itself; the page counts it. The numbers of a page are bounded, so that no answer
makes a listing endless.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Annotated, Any

import aiohttp
import msgspec

from mirror.domain.wire import MAX_REVIEW_ID
from mirror.partoo.errors import ApiRefusedError, ApiUnavailableError, RateLimitedError

# Thirty reviews with their replies weigh some hundred kilobytes.
MAX_ANSWER_BYTES = 8 * 1024 * 1024
# No organization has as many reviews; at the rate that Partoo allows, as many would take 18 hours.
MAX_COUNT = 10_000_000
# Where Partoo does not say how long to wait after a 429.
DEFAULT_RETRY_AFTER_S = 10.0
LONGEST_RETRY_AFTER_S = 600.0

_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY)
_LOOK_AT_SETTINGS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
_Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]


class Page(msgspec.Struct, frozen=True):
    """One page of a search, and when it was asked for, in milliseconds since 1970 UTC.

    `reviews` all have a valid id; `unreadable` counts the items of the page that are no review or cannot be read.
    """

    page: int
    max_page: int
    count: int
    reviews: list[dict[str, Any]]
    observed_at: int = 0
    unreadable: int = 0

    @property
    def items(self) -> int:
        return len(self.reviews) + self.unreadable

    @property
    def ids(self) -> list[int]:
        return [review["id"] for review in self.reviews]


class _Answer(msgspec.Struct, frozen=True):
    max_page: _Count
    count: _Count
    reviews: list[Any]


_ANSWER = msgspec.json.Decoder(_Answer)


def decode_page(data: bytes, number: int, observed_at: int) -> Page:
    """Read the answer to a request for page `number`. Raises ApiUnavailableError if it is no page of reviews."""
    try:
        answer = _decode(data)
    except (ValueError, RecursionError) as error:
        raise ApiUnavailableError(f"Partoo's answer is cut off or not a page of reviews: {error}") from None
    if answer.max_page > max(1, answer.count):
        text = f"Partoo's answer contradicts itself: {answer.max_page} pages of {answer.count} reviews"
        raise ApiUnavailableError(text)
    reviews = [item for item in answer.reviews if _is_readable(item)]
    unreadable = len(answer.reviews) - len(reviews)
    return Page(number, answer.max_page, answer.count, reviews, observed_at, unreadable)


def _decode(data: bytes) -> _Answer:
    try:
        return _ANSWER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Python's own decoder lets through what is no JSON within an item (NaN, half of a surrogate pair), so that the
        # rest of the page can be read.
        return msgspec.convert(json.loads(data.decode("utf-8-sig", "surrogateescape")), _Answer)


def _is_readable(item: Any) -> bool:
    """Tell whether an item is a review with a valid id that can be written down as JSON."""
    if not isinstance(item, dict):
        return False
    review_id = item.get("id")
    if type(review_id) is not int or not 0 <= review_id <= MAX_REVIEW_ID:
        return False
    try:
        json.dumps(item, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return False
    return True


def check_status(response: aiohttp.ClientResponse) -> None:
    """Raise ApiError unless the answer has the status 200."""
    status = response.status
    if status == HTTPStatus.OK:
        return
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise RateLimitedError(_retry_after_s(response.headers))
    if status in _LATER or status < HTTPStatus.MULTIPLE_CHOICES or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise ApiUnavailableError(f"Partoo's API answered {status}")
    what = "check PARTOO_API_KEY and PARTOO_API_URL" if status in _LOOK_AT_SETTINGS else "it refuses the question"
    raise ApiRefusedError(status, f"Partoo's API answered {status}: {what}")


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """Read Retry-After: seconds, or an HTTP date (RFC 9110, 10.2.3), which is measured by the answer's own Date."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_RETRY_AFTER_S)
    until = _http_date(text)
    if until is None:
        return DEFAULT_RETRY_AFTER_S
    now = _http_date(headers.get("Date", "")) or datetime.now(UTC)
    return min(max(0.0, (until - now).total_seconds()), LONGEST_RETRY_AFTER_S)


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


async def read_body(response: aiohttp.ClientResponse) -> bytes:
    """Read an answer's body. Raises ApiUnavailableError if it is larger than MAX_ANSWER_BYTES."""
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise ApiUnavailableError(f"Partoo's answer is larger than {MAX_ANSWER_BYTES} bytes")
        chunks.append(chunk)
    return b"".join(chunks)
