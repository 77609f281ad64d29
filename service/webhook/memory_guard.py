"""How near Redis is to its memory limit: past a high-water mark new deliveries are refused, before anything breaks.

At the limit Redis refuses what workers write as well, arq's claims of jobs first of all. What lies between the mark and
the limit is theirs: they go on applying, which makes room, and once memory has fallen below the low-water mark, the
service accepts again. Partoo sends again what was refused meanwhile.
"""

import asyncio
from contextlib import suppress

from mirror.storage import server
from mirror.storage.connection import UNAVAILABLE
from mirror.storage.store import Store
from service.errors import NearlyFullError

# They are apart, so that the service does not turn from yes to no and back with each sample.
HIGH_WATER, LOW_WATER = server.HIGH_SHARE, server.SCARCE_SHARE
SAMPLE_INTERVAL_S = 1.0
# What a delivery takes in Redis, for each byte of its body: the list, the indexes, what the allocator rounds up.
BYTES_A_BYTE = 1.5


class MemoryGuard:
    """`high` says whether new deliveries are refused now. Where Redis has no limit they never are."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._memory = server.Memory(0, 0)
        self._stored = 0.0
        self.high = False

    def check(self) -> None:
        """Raise NearlyFullError while new deliveries are refused."""
        if self.high:
            raise NearlyFullError

    def stored(self, size: int) -> None:
        """Note that deliveries of this many bytes were stored: a burst must not pass the mark between two samples."""
        self._stored += BYTES_A_BYTE * size
        self._judge()

    async def run(self) -> None:
        """Sample until cancelled. While Redis does not answer, what the last sample said stands."""
        while True:
            with suppress(*UNAVAILABLE):
                self._memory = await server.memory(self._store)
                self._stored = 0.0
                self._judge()
            await asyncio.sleep(SAMPLE_INTERVAL_S)

    def _judge(self) -> None:
        mark = LOW_WATER if self.high else HIGH_WATER
        used = self._memory.used + self._stored
        self.high = self._memory.limit > 0 and used >= mark * self._memory.limit
