"""The listings, read from beginning to end: every review that Partoo shows is compared with the mirror's."""

from mirror.domain.review import is_deleted
from mirror.partoo.api import Page
from mirror.partoo.search import SEARCHES, review_id
from mirror.reconciliation.judging import UNREADABLE
from mirror.reconciliation.tools import Tools

SEARCH_NAMES = tuple(", ".join(f"{name}={value}" for name, value in search.items()) or "plain" for search in SEARCHES)


class Sweep:
    """Goes on where the keeper's position stands, and moves it on with each page."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._deleted: set[int] = set()
        self.seen: set[int] = set()

    async def run(self) -> None:
        """Read all listings; afterwards `seen` holds every id they showed. Raises as `PatientReader.page` does."""
        position = self._tools.keeper.position
        for search in range(len(SEARCHES)):
            seen = await self._tools.keeper.seen(search)
            if search == position.search:
                await self._list(search, seen)
            self.seen |= seen

    async def _list(self, search: int, seen: set[int]) -> None:
        position = self._tools.keeper.position
        filters = {**self._tools.scope.filters, **SEARCHES[search]}
        page = await self._tools.reader.page(filters, position.page)
        self._tools.narrator.lists(SEARCH_NAMES[search], page.count, page.max_page)
        while True:
            position.listed = max(position.listed, page.count)
            await self._take(page, seen)
            self._tools.narrator.reads(position.page, max(position.page, page.max_page))
            if position.page >= page.max_page:
                break
            position.page += 1
            page = await self._tools.reader.page(filters, position.page)
        # Whatever moves while one turns the pages pushes others to where one has been already.
        position.passed_over += max(0, position.listed - len(seen))
        position.search, position.page, position.ids, position.listed = search + 1, 1, 0, 0
        await self._tools.keeper.save()

    async def _take(self, page: Page, seen: set[int]) -> None:
        ids = [review_id(review) for review in page.reviews]
        fresh = [one for one in dict.fromkeys(ids) if one >= 0 and one not in seen]
        # A search may show deleted reviews although it was not asked for them: once is enough.
        await self._tools.ledger.compare(page, [one for one in fresh if one not in self._deleted])
        self._tools.ledger.count(UNREADABLE, ids.count(-1))
        seen.update(fresh)
        self._deleted.update(review_id(review) for review in page.reviews if is_deleted(review))
        self._tools.keeper.position.shows_deleted |= bool(self._deleted)
        await self._tools.keeper.save(fresh)
