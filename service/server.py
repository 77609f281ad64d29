"""Serving: one process that listens until it is told to stop."""

import asyncio
import os
from typing import Any

import structlog
from aiohttp import web

from mirror.bootstrap import tune_gc
from mirror.settings import Settings
from mirror.stopping import on_stop
from mirror.telemetry import start_tracing
from service.app import make_app
from service.app_keys import FEED_RING, FEED_TAIL
from service.in_flight import IN_FLIGHT
from service.protocol import Runner
from service.webhook.body import BODY_TIMEOUT_S

# Heroku's router keeps idle connections for 90 s; closing them first would break requests on their way.
KEEPALIVE_TIMEOUT_S = 95.0
# Heroku kills 30 s after SIGTERM. Requests under way get as long as a body may take; aiohttp's own end may take twice
# the second of these.
FINISH_TIMEOUT_S = BODY_TIMEOUT_S + 1
SHUTDOWN_TIMEOUT_S = 5.0
BACKLOG = 1024
RUNNER_OPTIONS: dict[str, Any] = {
    # A compressed body is refused unread: 1 MiB of it can be 350 MiB when inflated.
    "auto_decompress": False,
    # One structlog line a delivery instead: aiohttp's access log halves the throughput.
    "access_log": None,
    "keepalive_timeout": KEEPALIVE_TIMEOUT_S,
    "shutdown_timeout": SHUTDOWN_TIMEOUT_S,
    # What nobody reads of a body is not parsed either: service.protocol throws it away.
    "lingering_time": 0.0,
}

log = structlog.get_logger()


async def serve(settings: Settings, redis_url: str, *, share_port: bool = False) -> int:
    """Serve until told to stop; returns the exit status. `share_port` lets other processes listen beside this."""
    stop = asyncio.Event()
    on_stop(stop.set)
    app = make_app(settings, redis_url, start_tracing(settings))
    runner = Runner(app, **RUNNER_OPTIONS)
    watching = asyncio.create_task(_stop_without_parent(stop)) if share_port else None
    await runner.setup()
    try:
        site = web.TCPSite(
            runner, settings.bind_host, settings.port, backlog=BACKLOG, reuse_port=True if share_port else None
        )
        try:
            await site.start()
        except OSError as error:
            log.error("service.cannot_listen", host=settings.bind_host, port=settings.port, reason=error.strerror)  # noqa: TRY400 - the reason says it all
            return 1
        tune_gc()
        _tell_start(settings, runner)
        await stop.wait()
        await site.stop()
        await app[FEED_TAIL].stop()
        await app[FEED_RING].stop()
        await app[IN_FLIGHT].finish(FINISH_TIMEOUT_S)
    finally:
        if watching is not None:
            watching.cancel()
        await runner.cleanup()
    log.info("service.stopped")
    return 0


async def _stop_without_parent(stop: asyncio.Event) -> None:
    """Stop when the process that started this one is gone: nobody would stop this one otherwise."""
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 - no event tells of it
        await asyncio.sleep(1)
    stop.set()


def _tell_start(settings: Settings, runner: web.AppRunner) -> None:
    host, port = runner.addresses[0][:2]
    log.info(
        "service.started",
        host=host,
        port=port,
        keys=[key.name for key in settings.partoo_public_keys],
        webhook_secret="set" if settings.partoo_webhook_secret else "not set",
    )
    if settings.api_token is None:
        log.warning("read_api.closed", reason="API_TOKEN is not set: the read API answers 403")
