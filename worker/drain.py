"""The drain: claims reviews with waiting deliveries, decides, commits, until nothing is due."""

import asyncio
import time

import msgspec
import structlog

from mirror.clock import now_ms
from mirror.domain.inbox import decode_entry
from mirror.domain.record import SCHEMA_VERSION, Windows
from mirror.domain.settling import Settled, settle
from mirror.storage import inbox, reads
from mirror.storage.commit import Commit, commit
from mirror.storage.store import Store
from worker.story import tell

# A drain that has worked for this long makes room for arq's other jobs; the next one goes on where it stopped.
MAX_RUN_S = 8.0
# Batches under way at a time: while Redis works on one, this process decides on the other.
STREAMS = 2

log = structlog.get_logger()


class Drainer:
    """Drains for one process: however many jobs ask, one loop runs, and none that asks is forgotten.

    `verification_delay`: how long after a decision in doubt Partoo is to be asked, in milliseconds; None: never.

    """

    def __init__(
        self, store: Store, windows: Windows, *, log_text: bool, verification_delay: int | None = None
    ) -> None:
        self._store = store
        self._windows = windows
        self._log_text = log_text
        self._verification_delay = verification_delay
        self._asks = False
        self._running = False
        self._asked = False
        self._stopping = False

    def stop(self) -> None:
        """Ask the running drain to end after the batch it is at. What is left stays in the inboxes."""
        self._stopping = True

    def take_asks(self) -> bool:
        """Tell whether a commit since the last call has put a question to Partoo."""
        asks, self._asks = self._asks, False
        return asks

    async def run(self) -> bool:
        """Drain until nothing is due; returns False if something may be left. Raises one of `connection.UNAVAILABLE`.

        If this process is draining already, that drain claims once more before it ends, and this call returns at once.
        """
        self._asked = True
        if self._running:
            return True
        self._running = True
        try:
            return await self._run_until_idle()
        finally:
            self._running = False

    async def _run_until_idle(self) -> bool:
        deadline = time.monotonic() + MAX_RUN_S
        while self._asked:
            self._asked = False
            if not all(await asyncio.gather(*(self._drain(deadline) for _ in range(STREAMS)))):
                return False
        return True

    async def _drain(self, deadline: float) -> bool:
        while claims := await inbox.claim(self._store):
            await self._apply(claims)
            if self._stopping or time.monotonic() > deadline:
                return False
        return True

    async def _apply(self, claims: list[inbox.Claim]) -> None:
        commits = [decided for claim in claims if (decided := self._decide(claim)) is not None]
        if not commits:
            return
        now = now_ms()
        for one, answer in zip(commits, await commit(self._store, commits, now), strict=True):
            if answer is True:
                tell(one.review_id, one.settled, now, with_text=self._log_text)
            elif answer is False:
                log.debug("drain.conflict", review_id=one.review_id)
            else:
                log.error("drain.commit_failed", review_id=one.review_id, error=answer)

    def _decide(self, claim: inbox.Claim) -> Commit | None:
        """Decide on one review's deliveries. A failure leaves them waiting, to be claimed again after the lease."""
        try:
            record = None if claim.record is None else reads.decode_record(claim.record)
            if record is not None and record.schema > SCHEMA_VERSION:
                log.warning("drain.newer_schema", review_id=claim.review_id, schema=record.schema)
                return None
            entries = [decode_entry(data) for data in claim.entries]
            settled = settle(record, entries, self._windows)
        except Exception as error:  # one review that breaks must not hold up the others
            log.exception("drain.review_failed", review_id=claim.review_id, corrupt=_is_corrupt(error))
            return None
        if not entries:
            return None
        first, last = entries[0].delivery_id, entries[-1].delivery_id
        return Commit(claim.review_id, first, last, len(entries), settled, self._verify_at(settled))

    def _verify_at(self, settled: Settled) -> int | None:
        wanted = None if self._verification_delay is None else settled.verification_wanted
        if not wanted:
            return None if wanted is None else 0
        self._asks = True
        return now_ms() + (self._verification_delay or 0)


def _is_corrupt(error: Exception) -> bool:
    return isinstance(error, msgspec.DecodeError)
