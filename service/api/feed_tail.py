"""Waiting for the feed to go on: while anybody waits, one loop a process looks, for all of them."""

import asyncio

from mirror.domain.feed import Position
from mirror.storage import feed
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.store import Store

# A read that blocks would be quicker by half of this, and cost each process one of its few connections.
_INTERVAL_S = 0.05
_PAUSE_S = 0.5


class FeedTail:
    """Knows where the feed ends while somebody waits for that to change."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._end: Position | None = None
        self._changed = asyncio.Condition()
        self._waiting = 0
        self._somebody = asyncio.Event()
        self.stopping = False

    async def run(self) -> None:
        """Watch the feed's end until cancelled."""
        while True:
            await self._somebody.wait()
            try:
                end = (await feed.bounds(self._store)).last
            except StorageUnavailableError:
                # Whoever reads the feed now is told; here it is only tried again.
                await asyncio.sleep(_PAUSE_S)
                continue
            if end != self._end:
                self._end = end
                await self._wake()
            await asyncio.sleep(_INTERVAL_S)

    async def wait(self, after: Position, seconds: float) -> None:
        """Return once the feed ends elsewhere than at `after`, after some seconds, or when the process stops."""
        self._waiting += 1
        if not self._somebody.is_set():
            self._end = None  # nobody has looked for a while
            self._somebody.set()
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: self.stopping or self._end not in (None, after))
        except TimeoutError:
            return
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._somebody.clear()

    async def stop(self) -> None:
        """Let everybody who waits have an answer now."""
        self.stopping = True
        await self._wake()

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()
