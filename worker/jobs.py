"""All arq jobs. Their names and arguments outlive a release: jobs of the last one may still be queued."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import structlog
from arq import Retry, cron, func
from arq.cron import CronJob
from arq.worker import Function

from mirror.storage import ratings
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.store import Store
from worker import reconciliation
from worker.drain import Drainer
from worker.reconciliation import Reconciler
from worker.silence import SilenceWatch
from worker.trimming import trim_some
from worker.verification import MAX_RUN_S, Verifier
from worker.watch import watch

# arq loses its claim on a job after this and 10 s more; a drain ends by itself long before.
JOB_TIMEOUT_S = 20
# One business with many pages may be under way when a run's time is up.
VERIFY_TIMEOUT_S = MAX_RUN_S + 60
RETRY_AFTER_S = 1
# UTC: when little comes in in Europe.
TRIM_HOUR = 3
SWEEP_SECONDS = frozenset(range(0, 60, 5))
# Questions are asked when they are due by jobs of their own; this is for those that got lost, or failed.
VERIFY_SECONDS = frozenset(range(3, 60, 10))
# Between sweeps.
WATCH_SECONDS = frozenset(range(2, 60, 10))
SILENCE_SECONDS = frozenset(range(6, 60, 10))
RATINGS_SECONDS = frozenset(range(4, 60, 10))
# Some seconds of work; the next job goes on.
RATINGS_STEPS = 50
# Partoo fetches Facebook at 19:00 UTC, TripAdvisor at 20:00 and Google at 20:15.
RECONCILE_HOUR = 21

_T = TypeVar("_T")

log = structlog.get_logger()


class Parts(msgspec.Struct, frozen=True):
    """What the jobs work with: one for each arq worker, in arq's context under PARTS.

    `verifier` and `reconciler` are None without an API key. `grace` and `history_retention` are in milliseconds.
    """

    store: Store
    drainer: Drainer
    silence: SilenceWatch
    grace: int
    history_retention: int
    verifier: Verifier | None = None
    reconciler: Reconciler | None = None


PARTS = "parts"


def begin(ctx: dict[str, Any], job: str) -> Parts:
    """Put the job's name and arq's id of it into the lines that it logs from here on; return what it works with."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(job_id=ctx["job_id"], job=job)
    parts: Parts = ctx[PARTS]
    return parts


async def drain(ctx: dict[str, Any]) -> None:
    """Apply whatever is due. Only a nudge: what is to be done stands in Redis, not in the job."""
    await _drain(ctx, "drain")


async def sweep(ctx: dict[str, Any]) -> None:
    """Apply what no nudge told of: its job was lost, or a worker died with a claim in its hands."""
    await _drain(ctx, "sweep")


async def verify(ctx: dict[str, Any]) -> None:
    """Ask Partoo what is due to be asked. Only a nudge, like `drain`: the questions stand in Redis."""
    verifier = begin(ctx, "verify").verifier
    if verifier is None:
        return
    try:
        await verifier.run()
    except StorageUnavailableError as error:
        # The questions claimed are due again when their lease ends.
        log.warning("verification.interrupted", error=repr(error))


async def trim_histories(ctx: dict[str, Any], cursor: int = 0) -> None:
    """Trim histories from a cursor on; what is left is for another job. A lost one is made up for the next day."""
    parts = begin(ctx, "trim_histories")
    cursor = await trim_some(parts.store, parts.history_retention, cursor)
    if cursor:
        await parts.store.enqueue("trim_histories", cursor)


async def watch_absences(ctx: dict[str, Any]) -> None:
    """Close incidents that are over and check absences that have outlasted their grace."""
    parts = begin(ctx, "watch")
    try:
        await watch(parts.store, parts.drainer, parts.grace)
    except StorageUnavailableError as error:
        log.warning("watch.interrupted", error=repr(error))


async def watch_silence(ctx: dict[str, Any]) -> None:
    """Count deliveries by the hour, and tell when they stay away."""
    silence = begin(ctx, "watch_silence").silence
    try:
        await silence.look()
    except StorageUnavailableError as error:
        log.warning("watch.interrupted", error=repr(error))


async def follow_ratings(ctx: dict[str, Any]) -> None:
    """Bring the ratings up to what has been committed."""
    store = begin(ctx, "follow_ratings").store
    try:
        await ratings.catch_up(store, RATINGS_STEPS)
    except StorageUnavailableError as error:
        log.warning("ratings.interrupted", error=repr(error))


async def plan_reconciliation(ctx: dict[str, Any]) -> None:
    """Have the mirror compared with Partoo, some time within the next hour."""
    reconciler = begin(ctx, "plan_reconciliation").reconciler
    if reconciler is not None:
        await _or_retry(reconciler.plan())


async def reconcile(ctx: dict[str, Any]) -> None:
    """Compare the mirror with Partoo for a while: a run is many of these jobs, each going on where the last stopped."""
    reconciler = begin(ctx, "reconcile").reconciler
    if reconciler is not None and not await _or_retry(reconciler.run(last_try=ctx["job_try"] == reconciliation.TRIES)):
        raise Retry(defer=reconciliation.RETRY_S)


async def _or_retry(work: Awaitable[_T]) -> _T:
    try:
        return await work
    except StorageUnavailableError as error:
        log.warning("reconciliation.interrupted", error=repr(error))
        raise Retry(defer=RETRY_AFTER_S) from error


async def _drain(ctx: dict[str, Any], job: str) -> None:
    parts = begin(ctx, job)
    try:
        if not await parts.drainer.run():
            await parts.store.enqueue("drain")
        if parts.verifier is not None and parts.drainer.take_asks():
            await parts.verifier.plan()
    except StorageUnavailableError as error:
        # arq does not retry what it does not know; this it does.
        log.warning("drain.interrupted", error=repr(error))
        raise Retry(defer=RETRY_AFTER_S) from error


FUNCTIONS: tuple[Function | Callable[..., Any], ...] = (
    drain,
    func(verify, timeout=VERIFY_TIMEOUT_S),
    trim_histories,
    func(reconcile, timeout=reconciliation.MAX_RUN_S + JOB_TIMEOUT_S, max_tries=reconciliation.TRIES),
)


def cron_jobs() -> list[CronJob]:
    """Make the periodic jobs; they keep state of their own, so that each worker needs new ones."""
    return [
        cron(sweep, second=set(SWEEP_SECONDS), run_at_startup=True, keep_result=0, timeout=JOB_TIMEOUT_S),
        cron(trim_histories, hour={TRIM_HOUR}, minute={30}, keep_result=0, timeout=JOB_TIMEOUT_S),
        cron(watch_absences, second=set(WATCH_SECONDS), run_at_startup=True, keep_result=0, timeout=JOB_TIMEOUT_S),
        cron(watch_silence, second=set(SILENCE_SECONDS), run_at_startup=True, keep_result=0, timeout=VERIFY_TIMEOUT_S),
        cron(follow_ratings, second=set(RATINGS_SECONDS), keep_result=0, timeout=JOB_TIMEOUT_S),
        cron(verify, second=set(VERIFY_SECONDS), keep_result=0, timeout=VERIFY_TIMEOUT_S),
        cron(plan_reconciliation, hour=RECONCILE_HOUR, minute=0, keep_result=0, timeout=JOB_TIMEOUT_S),
    ]
