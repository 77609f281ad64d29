"""Several web processes on one port, as WEB_CONCURRENCY asks: this process only starts, watches and stops them."""

import asyncio
import os
import socket
import sys
from contextlib import suppress

import structlog

from mirror.settings import Settings
from mirror.stopping import on_stop

STOP_TIMEOUT_S = 25.0
RESTART_DELAY_S = 1.0

log = structlog.get_logger()


async def serve_with_children(settings: Settings, redis_url: str) -> int:
    """Keep `web_concurrency` web processes running until told to stop; returns the exit status."""
    stop = asyncio.Event()
    on_stop(stop.set)
    try:
        reserved = _reserve(settings.bind_host, settings.port)
    except OSError as error:
        log.error("service.cannot_listen", host=settings.bind_host, port=settings.port, reason=error.strerror)  # noqa: TRY400 - the reason says it all
        return 1
    with reserved:
        environment = {
            **os.environ,
            "PORT": str(reserved.getsockname()[1]),
            "REDIS_URL": redis_url,
            "WEB_CONCURRENCY": "1",
        }
        keepers = [asyncio.create_task(_keep(environment, stop)) for _ in range(settings.web_concurrency)]
        await asyncio.gather(*keepers)
    return 0


def _reserve(host: str, port: int) -> socket.socket:
    """Take the port, without listening on it, so that all children share the same one, also where it was 0.

    Raises OSError if anybody listens there: another service might share it by itself.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
    reserved = socket.socket(family)
    try:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind((host, port))
    except OSError:
        reserved.close()
        raise
    return reserved


async def _keep(environment: dict[str, str], stop: asyncio.Event) -> None:
    """Run one child after the other, until told to stop."""
    while not stop.is_set():
        child = await asyncio.create_subprocess_exec(sys.executable, "-m", "service", "--share-port", env=environment)
        ending = asyncio.create_task(child.wait())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({ending, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            await _stop(child, ending)
        else:
            log.error("service.process_ended", pid=child.pid, status=child.returncode)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), RESTART_DELAY_S)
        stopping.cancel()


async def _stop(child: asyncio.subprocess.Process, ending: "asyncio.Task[int]") -> None:
    with suppress(ProcessLookupError):
        child.terminate()
    _, late = await asyncio.wait({ending}, timeout=STOP_TIMEOUT_S)
    if late:
        with suppress(ProcessLookupError):
            child.kill()
        await ending
