"""How near Redis is to its memory limit: past a high-water mark new deliveries are refused, before anything breaks.

At the limit Redis refuses what workers write as well, arq's claims of jobs first of all. What lies between the mark and
the limit is theirs: they go on applying, which makes room, and once memory has fallen below the low-water mark, the
service accepts again. Partoo sends again what was refused meanwhile.

What is optional goes first: from the low-water mark on raw deliveries kept for replay are dropped. It is done here, as
deliveries are refused here: it must not depend on a worker, nor on arq.
"""

import asyncio
from contextlib import suppress

import structlog

from mirror.storage import server
from mirror.storage.deliveries import RoomMaker
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.store import Store
from service.errors import NearlyFullError

# They are apart, so that the service does not turn from yes to no and back with each sample.
HIGH_WATER, LOW_WATER = server.HIGH_SHARE, server.SCARCE_SHARE
SAMPLE_INTERVAL_S = 1.0
# A burst that may have made memory scarce is looked at sooner.
SOONEST_SAMPLE_S = 0.05
# What a delivery takes in Redis, for each byte of its body: the list, the indexes, what the allocator rounds up.
BYTES_A_BYTE = 1.5

log = structlog.get_logger()


class MemoryGuard:
    """`high` says whether new deliveries are refused now. Where Redis has no limit they never are."""

    def __init__(self, store: Store) -> None:
        self._room_maker = RoomMaker(store)
        self._memory = server.Memory(0, 0)
        self._stored = 0.0
        self._scarce = asyncio.Event()
        self.high = False

    def check(self) -> None:
        """Raise NearlyFullError while new deliveries are refused."""
        if self.high:
            raise NearlyFullError

    def stored(self, size: int) -> None:
        """Note that deliveries of this many bytes were stored: a burst must not pass the mark between two samples."""
        self._stored += BYTES_A_BYTE * size
        self._judge()
        if self._is_past(LOW_WATER):
            self._scarce.set()

    async def run(self) -> None:
        """Sample, and make room, until cancelled. While Redis does not answer, what the last sample said stands."""
        while True:
            self._scarce.clear()
            with suppress(StorageUnavailableError):
                self._memory, dropped = await self._room_maker.make_room()
                self._stored = 0.0
                self._judge()
                if dropped:
                    log.info("memory.raw_deliveries_dropped", reviews=dropped, memory=str(self._memory))
            await asyncio.sleep(SOONEST_SAMPLE_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._scarce.wait(), SAMPLE_INTERVAL_S - SOONEST_SAMPLE_S)

    def _judge(self) -> None:
        mark = LOW_WATER if self.high else HIGH_WATER
        self.high = self._is_past(mark)

    def _is_past(self, mark: float) -> bool:
        return self._memory.limit > 0 and self._memory.used + self._stored >= mark * self._memory.limit
