"""The client of Partoo's search for reviews, `GET /reviews`: the only way to ask about one, as there is no other GET.

developers.partoo.co, guides/api/resources/reviews/retrieve-reviews: 30 reviews a page, pages from 1. Whether a search
without `state` returns deleted reviews is not documented, so whoever needs both asks for both.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime

import aiohttp
import msgspec

from mirror.partoo.answers import Page, check_status, decode_page, read_body
from mirror.partoo.errors import ApiRefusedError, ApiUnavailableError, RateLimitedError
from mirror.partoo.limiter import Limiter
from mirror.partoo.listing import turn_pages

KEY_HEADER = "x-APIKey"
# Without it, no review shows its photos (developers.partoo.co, retrieve-reviews).
_WITH_PHOTOS = {"with_media_links": "true"}


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
        """Search page by page. Raises ApiError."""
        async for page in turn_pages(lambda number, _before: self.page(filters, number)):
            yield page

    async def page(self, filters: Mapping[str, str], number: int) -> Page:
        """Get one page. Raises as `pages` does."""
        # Whatever is told to us from now on, the answer need not know.
        observed_at = await self._limiter.wait_for_turn()
        self.requests += 1
        try:
            data = await self._get({**filters, **_WITH_PHOTOS, "page": str(number)})
        except RateLimitedError as error:
            await self._limiter.pause(error.retry_after_s)
            raise
        except ApiRefusedError as error:
            if error.refuses_key:
                await self._limiter.refused()
            raise
        await self._limiter.taken()
        return decode_page(data, number, observed_at)

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
                check_status(response)
                return await read_body(response)
        except TimeoutError:
            raise ApiUnavailableError(f"Partoo's API did not answer within {self.patience.timeout_s:g} s") from None
        except aiohttp.ClientPayloadError:
            raise ApiUnavailableError("Partoo's answer was cut off: the connection ended in the middle of it") from None
        except (aiohttp.ClientError, OSError) as error:
            raise ApiUnavailableError(f"Partoo's API cannot be reached: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__


def api_time(microseconds: int) -> str:
    """Write a time given in microseconds since 1970 as the API's filters want it: UTC, whole seconds, no offset."""
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
