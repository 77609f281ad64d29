"""What every process does first: read the configuration, set up the logs, find Redis."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
import uvloop

from mirror import logs, misspelt
from mirror.settings import Settings, SettingsError, load
from mirror.stopping import stop_signals
from mirror.storage.embedded import EmbeddedRedisError, embedded_redis
from mirror.storage.errors import is_outage
from mirror.telemetry import log_processors

EXIT_FAILED = 1
EXIT_MISCONFIGURED = 2

log = structlog.get_logger()


@contextmanager
def redis_url(settings: Settings) -> Iterator[str]:
    """Give the URL of the configured Redis, or of an embedded one while the context lasts."""
    if settings.redis_url is not None:
        yield settings.redis_url
    else:
        with embedded_redis(settings.redis_data_dir) as url:
            yield url


def run(main: Callable[[Settings, str], Coroutine[None, None, int]], *, logging: bool = True) -> int:
    """Run a process's `main(settings, redis_url)` and return its exit status.

    A variable that cannot be used ends it with one line on stderr and status 2, an embedded Redis that does not start
    with one line and status 1.
    """
    _open_standard_streams()
    # Until the process has handlers of its own, being told to stop must still end what was started here, an embedded
    # Redis say. SIGINT does so by itself.
    for number in stop_signals():
        if number is not signal.SIGINT:
            signal.signal(number, _exit)
    try:
        settings = load(os.environ)
        if logging:
            logs.configure(settings, processors=log_processors(settings))
            for hint in misspelt.hints(os.environ):
                log.warning("settings.misspelt", reason=str(hint))
        if settings.redis_url is None and logging:
            log.warning(
                "redis.embedded", folder=settings.redis_data_dir, reason="REDIS_URL is not set: for development only"
            )
        with redis_url(settings) as url:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.get_loop().set_exception_handler(_log_stray_error)
                status = runner.run(main(settings, url))
            # The loop's handlers end with it; told to stop once more, a process that is ending goes on to its end.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            return status
    except SettingsError as error:
        sys.stderr.write(f"reviewmirror: {error}\n")
        return EXIT_MISCONFIGURED
    except EmbeddedRedisError as error:
        sys.stderr.write(f"reviewmirror: {error}\n")
        return EXIT_FAILED


def _open_standard_streams() -> None:
    """Put /dev/null where standard input, output or errors was closed: else the next file or socket takes its place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - for the process's life
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def tune_gc() -> None:
    """Have the garbage collector leave alone what was loaded at the start, and look less often at what comes and goes.

    A request or a delivery makes hundreds of short-lived objects and hardly a cycle; looking for them is not for free.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _exit(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def _log_stray_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what no code waited for. Such are the tasks of arq's worker when Redis goes away: one line, no traceback."""
    error = context.get("exception")
    expected = error is None or is_outage(error)
    log.warning("task.failed", reason=context.get("message"), error=repr(error), exc_info=None if expected else error)
