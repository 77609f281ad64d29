"""The client of Partoo's search for reviews, `GET /reviews`: the only way to ask about one, as there is no other GET.

developers.partoo.co, guides/api/resources/reviews/retrieve-reviews: 30 reviews a page, pages from 1. Whether a search
without `state` returns deleted reviews is not documented, so whoever needs both asks for both.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import aiohttp
import msgspec

from mirror.clock import now_ms
from mirror.partoo.errors import ApiRefusedError, ApiUnavailableError, RateLimitedError
from mirror.partoo.limiter import Limiter

KEY_HEADER = "x-APIKey"
# Thirty reviews with their replies weigh some hundred kilobytes.
MAX_ANSWER_BYTES = 8 * 1024 * 1024
# Where Partoo does not say how long to wait after a 429.
DEFAULT_RETRY_AFTER_S = 10.0
LONGEST_RETRY_AFTER_S = 600.0


class Page(msgspec.Struct, frozen=True):
    """One page of a search, and when it was asked for, in milliseconds since 1970 UTC."""

    page: int
    max_page: int
    count: int
    reviews: list[dict[str, Any]]
    observed_at: int = 0


class Patience(msgspec.Struct, frozen=True):
    """How long an answer is waited for, in seconds; and how a long listing is read in spite of failures.

    A page is asked for `attempts` times, with a wait after the first failure and twice as long a one after each more.
    """

    timeout_s: float = 10.0
    attempts: int = 6
    first_wait_s: float = 1.0
    longest_wait_s: float = 30.0

    def wait_s(self, attempt: int) -> float:
        return min(self.longest_wait_s, self.first_wait_s * 2.0 ** (attempt - 1))


PATIENCE = Patience()

_PAGE = msgspec.json.Decoder(Page)


class PartooApi:
    """`url` is the base, such as https://api.partoo.co/v2. Requests keep to the limiter's rate."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        key: str,
        limiter: Limiter,
        patience: Patience = PATIENCE,
    ) -> None:
        self._session = session
        self._url = f"{url.rstrip('/')}/reviews"
        self._key = key
        self._limiter = limiter
        self.patience = patience
        self.requests = 0

    async def pages(self, filters: Mapping[str, str]) -> AsyncIterator[Page]:
        """Search page by page. Raises ApiError, or one of `connection.UNAVAILABLE` when the limiter cannot be asked."""
        number, last = 1, 1
        while number <= last:
            page = await self.page(filters, number)
            yield page
            last = page.max_page
            number += 1

    async def page(self, filters: Mapping[str, str], number: int) -> Page:
        """Get one page. Raises as `pages` does."""
        await self._limiter.wait_for_turn()
        observed_at = now_ms()
        self.requests += 1
        try:
            page = _PAGE.decode(await self._get({**filters, "page": str(number)}))
        except RateLimitedError as error:
            await self._limiter.pause(error.retry_after_s)
            raise
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ApiUnavailableError(f"Partoo's answer is cut off or not a page of reviews: {error}") from None
        return msgspec.structs.replace(page, observed_at=observed_at)

    async def _get(self, parameters: Mapping[str, str]) -> bytes:
        timeout = aiohttp.ClientTimeout(total=self.patience.timeout_s)
        try:
            async with self._session.get(
                self._url,
                params=parameters,
                headers={KEY_HEADER: self._key},
                timeout=timeout,
                # A redirection would carry the key to wherever it points.
                allow_redirects=False,
            ) as response:
                _check(response)
                return await _body(response)
        except TimeoutError:
            raise ApiUnavailableError(f"Partoo's API did not answer within {self.patience.timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise ApiUnavailableError(f"Partoo's API cannot be reached: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__


def _check(response: aiohttp.ClientResponse) -> None:
    status = response.status
    if status == HTTPStatus.OK:
        return
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise RateLimitedError(_retry_after(response.headers.get("Retry-After", "")))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise ApiUnavailableError(f"Partoo's API answered {status}")
    what = "check PARTOO_API_KEY and PARTOO_API_URL" if status in (401, 403, 404) else "it refuses the question"
    raise ApiRefusedError(status, f"Partoo's API answered {status}: {what}")


def _retry_after(text: str) -> float:
    seconds = float(text) if text.isascii() and text.isdigit() else DEFAULT_RETRY_AFTER_S
    return min(seconds, LONGEST_RETRY_AFTER_S)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise ApiUnavailableError(f"Partoo's answer is larger than {MAX_ANSWER_BYTES} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def api_time(microseconds: int) -> str:
    """Write a time given in microseconds since 1970 as the API's filters want it: UTC, whole seconds, no offset."""
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
