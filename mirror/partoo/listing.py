"""The pages of one search: where they end, and whether they prove that a review is not among them. Performs no I/O."""

from collections.abc import AsyncIterator, Awaitable, Callable

from mirror.partoo.answers import Page
from mirror.partoo.errors import ApiUnavailableError

# By how many pages a listing may grow while it is read.
MAX_GROWTH = 100


class Listing:
    """Watches the pages of one search.

    A listing proves no absence if it is cut short or shifts while it is read, or holds an item that cannot be read.
    """

    def __init__(self) -> None:
        self._counts: set[int] = set()
        self._ids: set[int] = set()
        self._items = 0
        self.unreadable = 0

    def add(self, page: Page) -> None:
        self._counts.add(page.count)
        self._items += page.items
        self._ids.update(page.ids)
        self.unreadable += page.unreadable

    @property
    def held_still(self) -> bool:
        """Whether every page told the same count, and as many different items were there."""
        return self._counts == {self._items} and len(self._ids) == self._items - self.unreadable


async def turn_pages(get: Callable[[int, Page | None], Awaitable[Page]], first: int = 1) -> AsyncIterator[Page]:
    """Give the pages of a search from `first` on; `get` is called with a page's number and the page before it.

    A page that is empty or repeats the one before is the last, whatever is announced. Raises ApiUnavailableError when
    a listing does not end, and as `get` does.
    """
    page, number, limit = None, first, 0
    while True:
        before, page = page, await get(number, page)
        yield page
        if number >= page.max_page or not page.items or repeats(page, before):
            return
        limit = limit or page.max_page + MAX_GROWTH
        number += 1
        if number > limit:
            raise ApiUnavailableError(f"Partoo's listing does not end: it was to have {limit - MAX_GROWTH} pages")


def repeats(page: Page, before: Page | None) -> bool:
    """Tell whether a page shows the very reviews of the page before it, or neither shows one that can be read."""
    return before is not None and page.ids == before.ids
