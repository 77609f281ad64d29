"""What every process does first: read the configuration, set up the logs, find Redis."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager

import uvloop

from mirror import logs
from mirror.settings import Settings, SettingsError, load
from mirror.storage.embedded import EmbeddedRedisError, embedded_redis

EXIT_FAILED = 1
EXIT_MISCONFIGURED = 2


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
    try:
        settings = load(os.environ)
        if logging:
            logs.configure(settings)
        with redis_url(settings) as url, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(main(settings, url))
    except SettingsError as error:
        sys.stderr.write(f"reviewmirror: {error}\n")
        return EXIT_MISCONFIGURED
    except EmbeddedRedisError as error:
        sys.stderr.write(f"reviewmirror: {error}\n")
        return EXIT_FAILED
