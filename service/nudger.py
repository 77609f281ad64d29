"""Tells the workers, through arq, that deliveries wait. A nudge that is lost costs time only: the sweep catches up."""

import asyncio

import structlog

from mirror.storage.connection import UNAVAILABLE
from mirror.storage.store import Store

log = structlog.get_logger()


class Nudger:
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
                await self._store.redis.enqueue_job("drain")
            except UNAVAILABLE as error:
                log.warning("nudge.failed", error=repr(error))
