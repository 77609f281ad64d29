"""Follows the feed for all senders of this process, and works out each event once."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from mirror.domain.feed import Entry, Position, Shown
from mirror.storage import feed
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.store import Store

INTERVAL_S = 0.02
_PAUSE_S = 0.5
# Events that are kept once worked out: all senders are mostly at the same place.
_KEPT = 2_000


class Follower:
    """Knows where the feed ends, and what its newest entries stand for."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._end: Position | None = None
        self._news = asyncio.Event()
        self._shown: OrderedDict[Position, Shown] = OrderedDict()
        self._showing = asyncio.Lock()

    async def run(self) -> None:
        """Look for the feed's end until cancelled."""
        try:
            while True:
                try:
                    end = (await feed.bounds(self.store)).last
                except StorageUnavailableError:
                    await asyncio.sleep(_PAUSE_S)
                    continue
                if end != self._end:
                    self._end = end
                    self._news.set()
                    self._news = asyncio.Event()
                await asyncio.sleep(INTERVAL_S)
        finally:
            self._end = None

    def has_more(self, after: Position) -> bool:
        return self._end is not None and self._end > after

    def has_all(self, until: Position) -> bool:
        """Tell whether nothing follows a position, as far as is known."""
        return self._end is not None and self._end <= until

    async def wait(self) -> None:
        """Wait until the feed ends elsewhere than it does now."""
        await self._news.wait()

    async def show(self, entries: Sequence[Entry]) -> list[Shown]:
        """Work out what entries stand for."""
        if all(entry.position in self._shown for entry in entries):
            return [self._shown[entry.position] for entry in entries]
        async with self._showing:  # what one sender has worked out the next one finds
            missing = [entry for entry in entries if entry.position not in self._shown]
            fresh = {shown.entry.position: shown for shown in await feed.show(self.store, missing)} if missing else {}
        found = [self._shown.get(entry.position) or fresh[entry.position] for entry in entries]
        self._shown.update(fresh)
        while len(self._shown) > _KEPT:
            self._shown.popitem(last=False)
        return found

    async def show_one(self, entry: Entry) -> Shown:
        """Work out what an entry stands for that is to be sent now.

        One that is old keeps nobody else waiting, and takes no place from what others are about to send.
        """
        if (known := self._shown.get(entry.position)) is not None:
            return known
        (shown,) = await feed.show(self.store, [entry])
        return shown

    def forget(self, review_id: int) -> None:
        """Keep nothing of a review that was erased."""
        for position in [one for one, shown in self._shown.items() if shown.entry.review_id == review_id]:
            del self._shown[position]
