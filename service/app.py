"""Wiring of the web process: routes, background loops, and what the handlers share."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from mirror.alerting.notifier import Notifier, make_notifier
from mirror.settings import Settings
from mirror.stopping import cancel_and_wait
from mirror.storage.connection import connect
from mirror.storage.durability import Durability
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.probe import ProbeLog, WriteProbe
from mirror.storage.redis_clock import RedisClock
from mirror.storage.store import Store
from service.api import absences, feed, feed_stream, health, metrics, openapi, ratings, reviews
from service.api.feed_ring import FeedRing
from service.api.feed_tail import FeedTail
from service.api.health import READINESS
from service.api.metrics import METRICS
from service.api.shared import Shared
from service.app_keys import FEED_RING, FEED_TAIL, MEMORY_GUARD, READ_STORE, SETTINGS
from service.console.wiring import CONNECTIONS as CONSOLE_CONNECTIONS
from service.console.wiring import add_console
from service.in_flight import IN_FLIGHT, InFlight
from service.requests import expect
from service.webhook.address import WebhookResource
from service.webhook.batch_writer import BatchWriter
from service.webhook.failed_attempts import FailedAttempts
from service.webhook.handler import Webhook
from service.webhook.intake import Intake
from service.webhook.memory_guard import MemoryGuard
from service.webhook.metrics_buffer import MetricsBuffer
from service.webhook.outcomes import Outcomes
from service.webhook.worker_notifier import WorkerNotifier

if TYPE_CHECKING:
    from mirror.telemetry.tracing import Tracing

# One for the write under way, one for nudges and dead letters; the other connections are for reading.
STORE_CONNECTIONS = 2
# For health, memory, counts and failed attempts, so that no number of readers makes Redis look as if it did not answer.
# The least that REDIS_MAX_CONNECTIONS may be leaves none for them: they share the readers' then.
WATCH_CONNECTIONS = 1


def make_app(settings: Settings, redis_url: str, tracing: "Tracing | None" = None) -> web.Application:
    """Build the application; it connects to Redis when it is first asked to. `tracing` is closed with it.

    Raises SettingsError if the URL of Redis cannot be used.
    """
    app = web.Application()
    clock = RedisClock()
    durability = Durability(settings.redis_wait_replicas, settings.redis_wait_disk)
    store = Store(connect(settings, redis_url, STORE_CONNECTIONS), clock, durability=durability)
    others = settings.redis_max_connections - STORE_CONNECTIONS
    watching = min(WATCH_CONNECTIONS, others - 1)
    clicking = min(CONSOLE_CONNECTIONS, others - watching - 1) if settings.console else 0
    read_store = Store(connect(settings, redis_url, others - watching - clicking), clock)
    watch_store = Store(connect(settings, redis_url, watching), clock) if watching else read_store
    console_store = Store(connect(settings, redis_url, clicking), clock) if clicking else read_store
    tail = FeedTail(read_store)
    ring = FeedRing(read_store, tail)
    notifier = WorkerNotifier(store)
    memory_guard = MemoryGuard(watch_store)
    # On the connections that deliveries take: readers must not make it look as if Redis refused.
    probe = WriteProbe(store, ProbeLog())
    failed_attempts = FailedAttempts(watch_store, settings.redelivery_window)
    metrics_buffer = MetricsBuffer(watch_store)
    make_outcomes, make_writer = _steps(tracing)
    outcomes = make_outcomes(metrics_buffer, failed_attempts)
    batch_writer = make_writer(store, notifier, memory_guard, outcomes.accepted)
    intake = Intake(settings.partoo_public_keys, batch_writer.add, failed_attempts.first_attempt)
    webhook = Webhook(settings.partoo_webhook_secret, store, memory_guard, intake, outcomes)
    app[SETTINGS] = settings
    app[IN_FLIGHT] = InFlight()
    app[READ_STORE] = read_store
    app[FEED_TAIL] = tail
    app[FEED_RING] = ring
    app[MEMORY_GUARD] = memory_guard
    app[METRICS] = Shared(partial(metrics.expose, watch_store, probe))
    app[READINESS] = Shared(partial(health.look, watch_store, memory_guard, probe))
    _setup_routes(app, webhook)
    if settings.console:
        add_console(app, console_store)

    async def background(_app: web.Application) -> AsyncIterator[None]:
        loops = (
            *(each.run() for each in (metrics_buffer, memory_guard, failed_attempts, notifier, tail, ring, probe)),
            clock.run(store.redis),
        )
        tasks = [asyncio.create_task(loop) for loop in loops]
        yield
        await batch_writer.close()
        await cancel_and_wait(*tasks)
        await probe.close()
        with suppress(StorageUnavailableError):
            await metrics_buffer.flush()
        with suppress(StorageUnavailableError):
            await failed_attempts.flush()
        for each in {store, read_store, watch_store, console_store}:
            with suppress(StorageUnavailableError):
                await each.close()
        if tracing is not None:
            await tracing.close()

    app.cleanup_ctx.extend((background, partial(_telling, notifier=make_notifier(settings, watch_store, probe))))
    return app


def _steps(tracing: "Tracing | None") -> tuple[Callable[..., Outcomes], Callable[..., BatchWriter]]:
    """Choose the steps that write spans only where these are wanted: the others know nothing of it, and pay nothing."""
    if tracing is None:
        return Outcomes, BatchWriter
    from service.webhook.traced import TracedBatchWriter, TracedOutcomes  # noqa: PLC0415 - an extra

    return partial(TracedOutcomes, tracing), partial(TracedBatchWriter, tracing)


async def _telling(_app: web.Application, notifier: Notifier | None) -> AsyncIterator[None]:
    """Tell the operator what is wrong, as long as the stores are open."""
    tasks = [] if notifier is None else [asyncio.create_task(notifier.run())]
    yield
    await cancel_and_wait(*tasks)


def _setup_routes(app: web.Application, webhook: Webhook) -> None:
    routes = (
        ("GET", "/reviews", reviews.list_reviews),
        ("GET", "/reviews/{id}", reviews.get_review),
        ("GET", "/reviews/{id}/changes", reviews.get_changes),
        ("GET", "/feed", feed.get_feed),
        ("GET", "/feed/stream", feed_stream.stream_feed),
        ("GET", "/ratings", ratings.get_ratings),
        ("GET", "/stats", absences.get_stats),
        ("GET", "/incidents", absences.list_incidents),
        ("GET", "/healthz", health.healthz),
        ("GET", "/readyz", health.readyz),
        ("HEAD", "/healthz", health.healthz),
        ("HEAD", "/readyz", health.readyz),
        ("GET", "/metrics", metrics.metrics),
        ("GET", "/openapi.json", openapi.openapi),
    )
    for method, path, handler in routes:
        app.router.add_route(method, path, handler, expect_handler=expect)
    app.router.register_resource(WebhookResource(webhook.receive))
