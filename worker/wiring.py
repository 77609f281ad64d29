"""Wiring of the worker process: the parts that its jobs work with, and the arq worker that runs them."""

from collections.abc import Callable
from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING

import aiohttp
from arq.worker import Worker

from mirror.outgoing.client import OutgoingClient
from mirror.partoo.api import PartooApi
from mirror.partoo.limiter import Limiter
from mirror.settings import Settings
from mirror.storage.store import Store
from worker.deciding import Policy
from worker.drain import Drainer
from worker.jobs import FUNCTIONS, JOB_TIMEOUT_S, PARTS, Parts, cron_jobs
from worker.reconciliation import Reconciler
from worker.silence import SilenceWatch
from worker.verification import Verifier

if TYPE_CHECKING:
    from mirror.telemetry.tracing import Tracing

# A nudge waits at most this long for arq to look at its queue.
POLL_DELAY_S = 0.02


def make_parts(settings: Settings, store: Store, drainer: Drainer, session: aiohttp.ClientSession) -> Parts:
    verifier = _verifier(settings, store, session)
    return Parts(
        store=store,
        drainer=drainer,
        silence=SilenceWatch(store, None if verifier is None else verifier.api, settings.silence_after),
        grace=settings.deletion_grace,
        history_retention=settings.history_retention,
        verifier=verifier,
        reconciler=None if verifier is None else Reconciler(store, verifier.api, settings.windows),
    )


def _verifier(settings: Settings, store: Store, session: aiohttp.ClientSession) -> Verifier | None:
    if settings.partoo_api_key is None:
        return None
    limiter = Limiter(store, settings.partoo_api_rate)
    api = PartooApi(session, settings.partoo_api_url, settings.partoo_api_key, limiter)
    return Verifier(store, api, settings.verification_delay)


def make_policy(settings: Settings) -> Policy:
    return Policy(
        windows=settings.windows,
        log_text=settings.log_review_text,
        delivery_retention=settings.delivery_retention,
        thresholds=settings.thresholds,
        verification_delay=None if settings.partoo_api_key is None else settings.verification_delay,
    )


def traceable(tracing: "Tracing | None") -> tuple[Callable[..., Drainer], Callable[..., OutgoingClient]]:
    """Choose what writes spans only where these are wanted."""
    if tracing is None:
        return Drainer, OutgoingClient
    from worker.traced import TracedClient, TracedDrainer  # noqa: PLC0415 - an extra

    return partial(TracedDrainer, tracing), partial(TracedClient, tracing)


def make_arq_worker(settings: Settings, parts: Parts) -> Worker:
    return Worker(
        functions=FUNCTIONS,
        cron_jobs=cron_jobs(),
        redis_pool=parts.store.redis.for_arq(),
        handle_signals=False,
        max_jobs=settings.worker_max_jobs,
        job_timeout=JOB_TIMEOUT_S,
        # A kept result would keep its job id taken, and nobody reads it.
        keep_result=0,
        timezone=UTC,
        poll_delay=POLL_DELAY_S,
        queue_read_limit=max(100, 5 * settings.worker_max_jobs),
        job_serializer=parts.store.redis.job_serializer,
        job_deserializer=parts.store.redis.job_deserializer,
        log_results=False,
        ctx={PARTS: parts},
    )
