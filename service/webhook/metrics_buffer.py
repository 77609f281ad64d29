"""What this web process counts, handed to Redis once a second so that any process can show the whole fleet's counts."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from mirror.storage import counters
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.histogram import bucket
from mirror.storage.store import Store

FLUSH_INTERVAL_S = 1.0


class MetricsBuffer:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._counts: Counter[str] = Counter()

    def count(self, name: str) -> None:
        self._counts[name] += 1

    def observe(self, name: str, seconds: Sequence[float]) -> None:
        """Count what was measured into a histogram."""
        for each in seconds:
            self._counts[bucket(name, each)] += 1
        self._counts[f"{name}:sum_ms"] += round(sum(seconds) * 1000)

    async def run(self) -> None:
        """Flush every second, until cancelled; counts that Redis cannot take now are kept for the next time."""
        while True:
            await asyncio.sleep(FLUSH_INTERVAL_S)
            with suppress(StorageUnavailableError):
                await self.flush()

    async def flush(self) -> None:
        """Hand the counts to Redis. Raises StorageUnavailableError, and keeps them then."""
        if not self._counts:
            return
        counts, self._counts = self._counts, Counter()
        try:
            await counters.add(self._store, counts)
        except BaseException:
            # Cancelled at a shutdown, too: the last flush is still to come.
            self._counts += counts
            raise
