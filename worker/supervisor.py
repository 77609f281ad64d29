"""Keeps an arq worker running in this process.

arq's worker ends when Redis restarts under it. The platform would start the process again, but with an ever longer
cool-off for one that keeps ending; so a new worker is built here, on new connections, until it is told to stop.
"""

import asyncio
import importlib.util
import os
import random
import secrets
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import aiohttp
import msgspec
import structlog
from arq.worker import Worker

from mirror.alerting.notifier import make_notifier
from mirror.bootstrap import tune_gc
from mirror.settings import Settings, SettingsError
from mirror.stopping import cancel_and_wait, on_stop
from mirror.storage import keys, workers
from mirror.storage.connection import connect
from mirror.storage.errors import StorageUnavailableError, is_out_of_memory
from mirror.storage.probe import ProbeLog, WriteProbe
from mirror.storage.redis_clock import RedisClock
from mirror.storage.store import Store
from mirror.telemetry import start_tracing
from worker.drain import Drainer
from worker.jobs import Parts
from worker.outgoing.sending import connections, keep_sending
from worker.wiring import POLL_DELAY_S, make_arq_worker, make_parts, make_policy, traceable

if TYPE_CHECKING:
    from mirror.telemetry.tracing import Tracing

# Running jobs may end by themselves for this long after SIGTERM; Heroku kills after 30 s.
STOP_TIMEOUT_S = 15.0
# An iteration of arq's loop that is under way has ended after this, unless Redis is slow.
ITERATION_S = 5 * POLL_DELAY_S
FIRST_BACKOFF_S = 0.2
LAST_BACKOFF_S = 5.0

log = structlog.get_logger()


class _Kept(msgspec.Struct, frozen=True):
    """What outlives one arq worker."""

    probe_log: ProbeLog
    clock: RedisClock
    tracing: "Tracing | None" = None


async def run(settings: Settings, redis_url: str) -> int:
    """Work until told to stop; returns the exit status."""
    _check_postgres(settings)
    stop = asyncio.Event()
    on_stop(stop.set)
    name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(2)}"
    tune_gc()
    log.info("worker.started", worker=name)
    tracing = start_tracing(settings)
    await supervise(settings, redis_url, name, stop, tracing)
    if tracing is not None:
        await tracing.close()
    log.info("worker.stopped", worker=name)
    return 0


def _check_postgres(settings: Settings) -> None:
    if settings.database_url is not None and importlib.util.find_spec("psycopg") is None:
        raise SettingsError("DATABASE_URL", "is set, but psycopg is missing: pip install -r requirements-postgres.txt")


async def supervise(
    settings: Settings, redis_url: str, name: str, stop: asyncio.Event, tracing: "Tracing | None" = None
) -> None:
    """Run one arq worker after the other, and the senders of webhooks beside them, until `stop` is set."""
    kept = _Kept(ProbeLog(), RedisClock(), tracing)
    _, make_client = traceable(tracing)
    client = make_client(allow_private=settings.outgoing_allow_private)
    sending_store = Store(connect(settings, redis_url, connections(settings)), kept.clock)
    notifier = make_notifier(settings, sending_store, WriteProbe(sending_store, kept.probe_log))
    sending = asyncio.create_task(keep_sending(sending_store, client, name, stop, notifier))
    try:
        await _supervise(settings, redis_url, name, stop, kept)
        await sending
    finally:
        await cancel_and_wait(sending)


async def _supervise(settings: Settings, redis_url: str, name: str, stop: asyncio.Event, kept: _Kept) -> None:
    backoff = FIRST_BACKOFF_S
    while not stop.is_set():
        started = asyncio.get_running_loop().time()
        try:
            await _one_worker(settings, redis_url, name, stop, kept)
        except Exception as error:  # noqa: BLE001 - whatever ends arq's worker, a new one is the answer
            if asyncio.get_running_loop().time() - started > LAST_BACKOFF_S:
                backoff = FIRST_BACKOFF_S
            delay = backoff * random.uniform(0.5, 1.5)  # noqa: S311 - spreads restarts, hides nothing
            log.warning("worker.restarting", error=repr(error), delay_s=round(delay, 2))
            if is_out_of_memory(error):
                await _make_room(settings, redis_url, kept.clock)
            backoff = min(backoff * 2, LAST_BACKOFF_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), delay)


async def _one_worker(settings: Settings, redis_url: str, name: str, stop: asyncio.Event, kept: _Kept) -> None:
    own = settings.redis_max_connections - connections(settings)
    store = Store(connect(settings, redis_url, own), kept.clock, feed_length=settings.feed_length)
    probe = WriteProbe(store, kept.probe_log)
    # Before anything else can fail: arq tells of an error, but not what it means. And Redis may be another server now.
    with suppress(StorageUnavailableError):
        await _look(store, probe)
    session = aiohttp.ClientSession()
    make_drainer, _ = traceable(kept.tracing)
    parts = make_parts(settings, store, make_drainer(store, make_policy(settings)), session)
    worker = make_arq_worker(settings, parts)
    working = asyncio.create_task(worker.async_run())
    beating = asyncio.create_task(_beat(store, name, probe))
    sinking = [] if settings.database_url is None else [asyncio.create_task(_sink(store, settings.database_url))]
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, beating, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        if beating.done():
            beating.result()
        await _finish_jobs(worker, parts)
    finally:
        await cancel_and_wait(working, beating, stopping, *sinking, *worker.tasks.values())
        await session.close()
        await probe.close()
        with suppress(StorageUnavailableError):
            await workers.leave(store, name)
        with suppress(StorageUnavailableError):
            await store.close()


async def _make_room(settings: Settings, redis_url: str, clock: RedisClock) -> None:
    """Apply what waits without arq, whose every step Redis refuses at its memory limit.

    It does not refuse a claim, or a commit that keeps no raw deliveries: a script that begins with a write that frees
    memory may go on (Redis, "Lua scripting and memory limit"). And what waits is often what fills it.
    """
    store = Store(connect(settings, redis_url), clock, feed_length=settings.feed_length)
    with suppress(StorageUnavailableError):
        await Drainer(store, msgspec.structs.replace(make_policy(settings), delivery_retention=0)).run()
    with suppress(StorageUnavailableError):
        await store.close()


async def _beat(store: Store, name: str, probe: WriteProbe) -> None:
    while True:
        await _look(store, probe)
        await workers.beat(store, name)
        await asyncio.sleep(keys.HEARTBEAT_INTERVAL_MS / 1000)


async def _sink(store: Store, url: str) -> None:
    """Write to Postgres; whatever becomes of it is no concern of those who apply deliveries."""
    from worker.postgres.sink import PostgresSink  # noqa: PLC0415 - psycopg is optional

    try:
        await PostgresSink(store, url).run()
    except Exception:
        log.exception("postgres.failed")


async def _look(store: Store, probe: WriteProbe) -> None:
    """Look whether Redis takes writes, and what its time is."""
    await probe.look()
    await store.clock.synchronize(store.redis)
    store.clock.tell_skew()


async def _finish_jobs(worker: Worker, parts: Parts) -> None:
    for part in (parts.verifier, parts.reconciler, parts.drainer):
        if part is not None:
            part.stop()
    # arq has no way to stop but cancelling, and cancelling a command throws its connection away. With nothing left to
    # pick or to schedule, its loop only sleeps.
    worker.allow_pick_jobs = False
    worker.cron_jobs.clear()
    await asyncio.sleep(ITERATION_S)
    running = [task for task in worker.tasks.values() if not task.done()]
    if running:
        await asyncio.wait(running, timeout=STOP_TIMEOUT_S)
