"""How far the sending to one endpoint has come, and what of it is still to be written to Redis.

The cursor moves past an entry once it was delivered, is not wanted, or is written down as pending. So an event is sent
twice only where a process died between its answer and the next write.
"""

import asyncio
from collections import OrderedDict

from mirror.domain.feed import Position
from mirror.domain.outgoing import Answer, Endpoint, Item
from mirror.storage import endpoints, keys
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.store import Store

# An item that is not done so long after it was read is written down as pending, so that the cursor can pass it.
SPILL_AFTER_S = 1.0
_NOTHING = endpoints.News()


class LostError(Exception):
    """Another worker sends to this endpoint now, or somebody has changed its cursor or its items."""


class Progress:
    """Collects what to write; `flush` writes it, in one step."""

    def __init__(self, store: Store, endpoint: Endpoint, holder: str) -> None:
        self._store = store
        self._endpoint = endpoint
        self._holder = holder
        # Entries behind the cursor in Redis, in their order: the item that each became, None once it is settled.
        self._window: OrderedDict[Position, tuple[float, Item | None]] = OrderedDict()
        self._written: set[str] = set()  # items that stand in `pending`
        self._loaded: set[str] = set()  # items found there at the start: the feed may still hold them behind the cursor
        self._failed: dict[str, Item] = {}  # of those, the ones whose failures have not been written
        self._news = endpoints.News()
        self._unwritten: endpoints.News | None = None  # what a write that failed held
        self.failed_to_write = False  # the last time

    @property
    def pending(self) -> int:
        """How many items stand in Redis as pending."""
        return len(self._written)

    @property
    def size(self) -> int:
        """How many entries have been read since the cursor in Redis."""
        return len(self._window)

    def loaded(self, item: Item) -> None:
        """Note that an item stands in `pending`."""
        self._written.add(item.position)
        self._loaded.add(item.position)

    def knows(self, position: Position) -> bool:
        """Tell whether an entry is pending, or was and is settled by now: it must not be sent as a new one."""
        return str(position) in self._written or str(position) in self._loaded

    def read(self, position: Position, item: Item | None) -> None:
        """Note that an entry was read, and what it became: None if nothing is to be sent of it."""
        self._window[position] = (asyncio.get_running_loop().time(), item)

    def settled(self, item: Item) -> None:
        """Note that nothing is left to do for an item."""
        position = Position.read(item.position)
        if position in self._window:
            self._window[position] = (0.0, None)
        if item.position in self._written:
            self._written.discard(item.position)
            self._news.drop.append(item.position)
        self._failed.pop(item.position, None)
        self._news.put.pop(item.position, None)

    def failed(self, item: Item) -> None:
        """Note that an item has failed, and is to be sent again."""
        self._failed[item.position] = item

    def parked(self, item: Item) -> None:
        """Note that an item, which is settled, is parked."""
        self._news.park[item.position] = endpoints.encode_item(item)

    def answered(self, answer: Answer) -> None:
        self._news.answers.append(endpoints.encode_answer(answer))
        del self._news.answers[: -keys.ANSWERS_KEPT]

    def count(self, name: str) -> None:
        self._news.counts[name] = self._news.counts.get(name, 0) + 1

    def failing_since(self, moment: int) -> None:
        """Note since when nothing has succeeded, in ms since 1970 UTC; 0: the last attempt did."""
        self._news.facts["failing_since"] = str(moment)

    async def flush(self, *, final: bool = False) -> None:
        """Write what has been collected; `final`: with all that was read and is not done yet, as pending.

        Raises LostError, after which the next flush writes it.
        """
        if self._unwritten is not None:
            await self._write(self._unwritten)
        news = self._collect(final=final)
        if news != _NOTHING:
            self._unwritten = news
            await self._write(news)

    async def _write(self, news: endpoints.News) -> None:
        try:
            written = await endpoints.flush(self._store, self._endpoint, self._holder, news)
        except StorageUnavailableError:
            self.failed_to_write = True
            raise
        if not written:
            raise LostError(self._endpoint.id)
        self.failed_to_write = False
        self._unwritten = None

    def _collect(self, *, final: bool) -> endpoints.News:
        for failed in self._failed.values():
            self._write_down(failed)
        self._failed.clear()
        spill_before = asyncio.get_running_loop().time() - SPILL_AFTER_S
        while self._window:
            position, (read_at, item) = next(iter(self._window.items()))
            if item is not None and item.position not in self._written:
                if read_at > spill_before and not final:
                    break
                self._write_down(item)
            self._news.cursor = str(position)
            del self._window[position]
        news, self._news = self._news, endpoints.News()
        return news

    def _write_down(self, item: Item) -> None:
        self._written.add(item.position)
        self._news.put[item.position] = endpoints.encode_item(item)
