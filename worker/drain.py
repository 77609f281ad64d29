"""The drain: claims reviews with waiting deliveries, decides, commits, until nothing is due."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

import structlog

from mirror.storage import failed_attempts, inbox, server
from mirror.storage.commit import Commit, commit
from mirror.storage.deliveries import RoomMaker
from mirror.storage.store import Store
from worker.deciding import Policy, decide, digests
from worker.delivery_log import log_outcomes
from worker.trimming import shorten

# A drain that has worked for this long makes room for arq's other jobs; the next one goes on where it stopped.
MAX_RUN_S = 8.0
# Batches under way at a time: while Redis works on one, this process decides on the other.
STREAMS = 2
# How long what Redis said of its memory holds.
MEMORY_SAMPLE_S = 1.0

log = structlog.get_logger()


class Drainer:
    """Drains for one process: however many jobs ask, one loop runs, and none that asks is forgotten."""

    def __init__(self, store: Store, policy: Policy) -> None:
        self._store = store
        self._policy = policy
        self._asks = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._asked = False
        self._stopping = False
        self._retention = policy.delivery_retention
        self._room_maker = RoomMaker(store)
        self._sampled_at = -MEMORY_SAMPLE_S

    def stop(self) -> None:
        """Ask the running drain to end after the batch it is at. What is left stays in the inboxes."""
        self._stopping = True

    def take_asks(self) -> bool:
        """Tell whether a commit since the last call has put a question to Partoo."""
        asks, self._asks = self._asks, False
        return asks

    async def wait_until_idle(self, patience_s: float) -> bool:
        """Wait until no drain runs in this process; returns False if one still does after `patience_s` seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), patience_s)
        return self._idle.is_set()

    async def run(self) -> bool:
        """Drain until nothing is due; returns False if something may be left.

        If this process is draining already, that drain claims once more before it ends, and this call returns at once.
        """
        self._asked = True
        if not self._idle.is_set():
            return True
        self._idle.clear()
        try:
            return await self._run_until_idle()
        finally:
            self._idle.set()

    async def _run_until_idle(self) -> bool:
        deadline = time.monotonic() + MAX_RUN_S
        while self._asked:
            self._asked = False
            if not all(await asyncio.gather(*(self._drain(deadline) for _ in range(STREAMS)))):
                return False
        return True

    async def _drain(self, deadline: float) -> bool:
        while claims := await self._claim():
            for batch in inbox.batches(claims):
                await self._apply(batch)
            if self._stopping or time.monotonic() > deadline:
                return False
        return True

    async def _claim(self) -> list[inbox.Claim]:
        return await inbox.claim(self._store)

    async def _apply(self, claims: list[inbox.Claim]) -> None:
        commits = await self._decide(claims)
        if not commits:
            return
        now = await self._store.now()
        answers = await self._commit(commits, now)
        for one, answer in zip(commits, answers, strict=True):
            if answer is True:
                self._asks = self._asks or one.verification.asks
                log_outcomes(one.review_id, one.settled, now, with_text=self._policy.log_text)
                await shorten(self._store, one.review_id, one.settled)
            elif answer is False:
                log.debug("drain.conflict", review_id=one.review_id)
            else:
                log.error("drain.commit_failed", review_id=one.review_id, error=answer)

    async def _commit(self, commits: Sequence[Commit], now: int) -> list[bool | str]:
        return await commit(self._store, commits, now, await self._kept_for(), self._policy.thresholds)

    async def _kept_for(self) -> int:
        """Tell for how long raw deliveries are to be kept, in ms: not at all where memory stays scarce without them."""
        now = time.monotonic()
        if now - self._sampled_at >= MEMORY_SAMPLE_S:
            self._sampled_at = now
            memory, dropped = await self._room_maker.make_room()
            self._retention = 0 if memory.share >= server.SCARCE_SHARE else self._policy.delivery_retention
            if dropped:
                log.info("memory.raw_deliveries_dropped", reviews=dropped, memory=str(memory))
        return self._retention

    async def _decide(self, claims: list[inbox.Claim]) -> list[Commit]:
        first_attempts = await self._first_attempts(claims)
        now = await self._store.now()
        return [one for claim in claims if (one := decide(claim, self._policy, first_attempts, now)) is not None]

    async def _first_attempts(self, claims: list[inbox.Claim]) -> dict[str, int]:
        """Return when deliveries that were sent before without being acknowledged were first sent, by digest."""
        if not await failed_attempts.any_recorded(self._store):
            return {}
        names = [name for claim in claims for name in digests(claim)]
        found = await failed_attempts.first_attempts(self._store, names)
        return {name: at for name, at in zip(names, found, strict=True) if at is not None}
