"""The listings, read from beginning to end: every review that Partoo shows is compared with the mirror's."""

from mirror.domain.review import is_deleted
from mirror.partoo.answers import Page
from mirror.partoo.search import SEARCHES
from mirror.reconciliation.context import RunContext

SEARCH_NAMES = tuple(", ".join(f"{name}={value}" for name, value in search.items()) or "plain" for search in SEARCHES)


class Sweep:
    """Goes on where the checkpoint's position stands, and moves it on with each page."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._deleted: set[int] = set()
        self.seen: set[int] = set()

    async def run(self) -> None:
        """Read all listings; afterwards `seen` holds every id they showed. Raises as `PatientReader.pages` does."""
        position = self._context.checkpoint.position
        for search in range(len(SEARCHES)):
            seen = await self._context.checkpoint.seen(search)
            if search == position.search:
                await self._list(search, seen)
            self.seen |= seen

    async def _list(self, search: int, seen: set[int]) -> None:
        position = self._context.checkpoint.position
        filters = {**self._context.scope.filters, **SEARCHES[search]}
        begun = False
        async for page in self._context.reader.pages(filters, position.page):
            if not begun:
                self._context.listener.on_listing(SEARCH_NAMES[search], page.count, page.max_page)
                begun = True
            position.page = page.page
            position.listed = max(position.listed, page.count)
            await self._take(page, seen)
            self._context.listener.on_page(page.page, max(page.page, page.max_page))
        # Whatever moves while one turns the pages pushes others to where one has been already.
        position.passed_over += max(0, position.listed - len(seen))
        position.search, position.page, position.ids, position.listed = search + 1, 1, 0, 0
        await self._context.checkpoint.save()

    async def _take(self, page: Page, seen: set[int]) -> None:
        fresh = [one for one in dict.fromkeys(page.ids) if one not in seen]
        # A search may show deleted reviews although it was not asked for them: once is enough.
        await self._context.ledger.compare(page, [one for one in fresh if one not in self._deleted])
        self._context.ledger.count_unreadable(page)
        seen.update(fresh)
        self._deleted.update(review["id"] for review in page.reviews if is_deleted(review))
        self._context.checkpoint.position.shows_deleted |= bool(self._deleted)
        await self._context.checkpoint.save(fresh)
