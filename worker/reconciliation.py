"""The daily reconciliation: planned once a day for the whole fleet, done in jobs that each take a few minutes at most.

So a worker that is stopped or killed in the middle costs a page: the next job goes on from there.
"""

import asyncio
import random

import structlog

from mirror.domain.record import Windows
from mirror.partoo.api import PartooApi
from mirror.partoo.errors import ApiError, ApiRefusedError
from mirror.reconciliation.judging import ABSENT, OVERTAKEN, Verdict
from mirror.reconciliation.run import Reconciliation
from mirror.stopping import cancel_and_wait
from mirror.storage import counters, reconciliation
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.reconciliation import BusyError, Position
from mirror.storage.store import Store

# Companies do not all ask Partoo at the same moment.
SPREAD_S = 3_600.0
# One job works for this long; the next goes on.
MAX_RUN_S = 240.0
# Where Partoo cannot be asked, in spite of all patience with each page: how often to try, and after how long again.
TRIES = 6
RETRY_S = 900

log = structlog.get_logger()


class Reconciler:
    """Reconciles for one process. All of it raises StorageUnavailableError."""

    def __init__(self, store: Store, api: PartooApi, windows: Windows, max_run_s: float = MAX_RUN_S) -> None:
        self._store = store
        self._api = api
        self._windows = windows
        self._max_run_s = max_run_s
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Have the run under way end at once; another worker's job goes on with it."""
        self._stopping.set()

    async def plan(self) -> None:
        """Plan the day's run, unless another worker has done so."""
        if await reconciliation.plan(self._store):
            delay_s = random.uniform(0, SPREAD_S)  # noqa: S311 - spreads requests, hides nothing
            log.info("reconciliation.planned", delay_s=round(delay_s))
            try:
                await self._store.enqueue("reconcile", after_ms=round(1000 * delay_s))
            except StorageUnavailableError:
                await reconciliation.unplan(self._store)
                raise

    async def run(self, *, last_try: bool = False) -> bool:
        """Work for a while; gives False if Partoo cannot be asked, to be tried again later."""
        work = asyncio.create_task(Reconciliation(self._store, self._api, LoggedProgress(), self._windows).run())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({work, stopping}, timeout=self._max_run_s, return_when=asyncio.FIRST_COMPLETED)
            finished = work.done()
        finally:
            await cancel_and_wait(stopping, *([] if work.done() else [work]))
        if not finished:
            log.info("reconciliation.paused")
            await self._store.enqueue("reconcile")
            return True
        return await self._end(work, last_try=last_try)

    async def _end(self, work: "asyncio.Task[Position]", *, last_try: bool) -> bool:
        try:
            position = work.result()
        except BusyError:
            log.info("reconciliation.busy")
        except ApiError as error:
            # A key that is refused will be refused again: one line, and the next day's run tries anew.
            if not (last_try or (isinstance(error, ApiRefusedError) and error.refuses_key)):
                log.warning("reconciliation.failed", error=str(error), retry_in_s=RETRY_S)
                return False
            log.error("reconciliation.given_up", error=str(error))  # noqa: TRY400 - the place tells nothing more
            await counters.add(self._store, {"reconciliation:given_up": 1})
        else:
            log.info("reconciliation.finished", passed_over=position.passed_over, **position.counts)
        return True


class LoggedProgress:
    """Logs how it goes. Names of fields, never what they hold."""

    def on_resume(self, search: str, page: int) -> None:
        log.info("reconciliation.resumed", search=search, page=page)

    def on_listing(self, search: str, count: int, pages: int) -> None:
        log.info("reconciliation.listing", search=search, count=count, pages=pages)

    def on_page(self, page: int, pages: int) -> None:
        log.debug("reconciliation.page", page=page, pages=pages)

    def on_absences(self, reviews: int, businesses: int) -> None:
        log.info("reconciliation.asking_again", reviews=reviews, businesses=businesses)

    def on_retry(self, error: ApiError) -> None:
        log.warning("reconciliation.page_failed", error=str(error))

    def on_unreadable_items(self, page: int, items: int) -> None:
        log.warning("reconciliation.unreadable_items", page=page, items=items)

    def on_finding(self, verdict: Verdict) -> None:
        facts = {"review_id": verdict.review_id, "outcome": verdict.outcome}
        if verdict.entry is not None and verdict.outcome != OVERTAKEN:
            log.info("reconciliation.differs", **facts, delivery_id=verdict.entry.delivery_id, changed=verdict.fields)
        elif verdict.outcome == ABSENT:
            log.warning("reconciliation.left_alone", **facts, reason=verdict.reason)
        else:
            log.info("reconciliation.not_compared", **facts, reason=verdict.reason)
