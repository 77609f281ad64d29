"""Reading long listings: a page that fails is asked for again, within bounds."""

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus

from mirror.partoo.api import Page, PartooApi
from mirror.partoo.errors import ApiError, ApiRefusedError, ApiUnavailableError, RateLimitedError

# developers.partoo.co, guides/api/resources/reviews/retrieve-reviews
PER_PAGE = 30


class PatientReader:
    """`on_failure` hears of each failure after which the page is asked for again."""

    def __init__(self, api: PartooApi, on_failure: Callable[[ApiError], None]) -> None:
        self._api = api
        self._patience = api.patience
        self._on_failure = on_failure

    async def page(self, filters: Mapping[str, str], number: int) -> Page:
        """Get one page. One that stays shorter than it must be is given as it is.

        Raises ApiError once patience is at an end, or one of `connection.UNAVAILABLE`.
        """
        for attempt in range(1, self._patience.attempts):
            try:
                page = await self._once(filters, number)
            except ApiUnavailableError as error:
                await self._wait(error, attempt)
                continue
            if not (is_short(page, number) or _is_cut(page, number)):
                return page
            counted = f"fewer than its count of {page.count} gives" if page.count else "though it was announced"
            text = f"Partoo's page {number} holds {len(page.reviews)} reviews, {counted}"
            await self._wait(ApiUnavailableError(text), attempt)
        return await self._once(filters, number)

    async def _once(self, filters: Mapping[str, str], number: int) -> Page:
        try:
            return await self._api.page(filters, number)
        except ApiRefusedError as error:
            return _behind_the_last(error, number)

    async def _wait(self, error: ApiError, attempt: int) -> None:
        self._on_failure(error)
        # After a 429 the fleet's limiter holds the next request back for as long as Partoo said, if it said so.
        if not (isinstance(error, RateLimitedError) and error.retry_after_s > 0):
            await asyncio.sleep(self._patience.wait_s(attempt))


def _behind_the_last(error: ApiRefusedError, number: int) -> Page:
    """Give an empty page where Partoo refuses one that was the last a moment ago; what else it refuses is raised."""
    if number == 1 or error.status not in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND):
        raise error
    return Page(number, max_page=number - 1, count=0, reviews=[])


def _is_cut(page: Page, number: int) -> bool:
    """Tell whether a page that was there a moment ago is empty or refused: perhaps so, perhaps only this once."""
    return number > 1 and not page.reviews


def is_short(page: Page, number: int) -> bool:
    """Tell whether a page holds fewer reviews than its place in the listing demands."""
    return len(page.reviews) < min(PER_PAGE, page.count - PER_PAGE * (number - 1))
