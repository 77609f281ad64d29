"""Tells the workers, through arq, that deliveries wait. A nudge that is lost costs time only: the sweep catches up."""

import asyncio

import structlog

from mirror.storage import keys
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.store import Store

MAX_QUEUED = 20

log = structlog.get_logger()


class WorkerNotifier:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._wanted = asyncio.Event()

    def nudge(self) -> None:
        """Have an arq job enqueued soon. Never blocks, never fails."""
        self._wanted.set()

    async def run(self) -> None:
        """Enqueue a job whenever one is wanted, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._enqueue()
            except StorageUnavailableError as error:
                log.warning("nudge.failed", error=repr(error))

    async def _enqueue(self) -> None:
        # Without a worker nobody takes the jobs away; whenever one comes, it needs one of them, not a day's worth.
        if await self._store.redis.zcard(keys.ARQ_QUEUE) < MAX_QUEUED:
            await self._store.enqueue("drain")
