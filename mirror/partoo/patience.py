"""Reading long listings: a page that fails is asked for again, within bounds."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus

from mirror.partoo.answers import Page
from mirror.partoo.api import PartooApi
from mirror.partoo.errors import ApiError, ApiRefusedError, ApiUnavailableError, RateLimitedError
from mirror.partoo.listing import repeats, turn_pages

# developers.partoo.co, guides/api/resources/reviews/retrieve-reviews
PER_PAGE = 30


class PatientReader:
    """`on_failure` hears of each failure after which the page is asked for again."""

    def __init__(self, api: PartooApi, on_failure: Callable[[ApiError], None]) -> None:
        self._api = api
        self._patience = api.patience
        self._on_failure = on_failure

    async def pages(self, filters: Mapping[str, str], first: int = 1) -> AsyncIterator[Page]:
        """Give the pages of a search from `first` on. One that stays shorter than it must be is given as it is.

        Raises ApiError once patience is at an end.
        """
        async for page in turn_pages(lambda number, before: self._page(filters, number, before), first):
            yield page

    async def _page(self, filters: Mapping[str, str], number: int, before: Page | None) -> Page:
        for attempt in range(1, self._patience.attempts):
            try:
                page = await self._once(filters, number)
            except ApiUnavailableError as error:
                await self._wait(error, attempt)
                continue
            except ApiRefusedError as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
                # Whoever puts a new release into place may be gone for a moment.
                await self._wait(error, attempt)
                continue
            doubt = _doubt(page, number, before)
            if doubt is None:
                return page
            await self._wait(ApiUnavailableError(f"Partoo's page {number} {doubt}"), attempt)
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


def _doubt(page: Page, number: int, before: Page | None) -> str | None:
    """Tell why a page may be another when it is asked for again; None where nothing speaks for it."""
    if page.items < min(PER_PAGE, page.count - PER_PAGE * (number - 1)):
        return f"holds {page.items} reviews, fewer than its count of {page.count} gives"
    # That was there a moment ago.
    if number > 1 and not page.items:
        return "holds 0 reviews, though it was announced"
    return "repeats the page before it" if repeats(page, before) else None
