"""A Redis of a test's own, to stop, hang and fill; and the log as it is written in production."""

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
import structlog
from aiohttp.test_utils import unused_port

import service.webhook.body
from mirror import logs
from mirror.storage.embedded import embedded_redis
from service.api import shared
from service.server import RUNNER_OPTIONS
from service.webhook import memory_guard
from tests.conftest import StartService
from tests.support import Client, make_settings

LOGGERS = ("", "arq", "asyncio")


class OwnRedis:
    """A redis-server that belongs to one test. Its data outlive a stop and a start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running = ExitStack()
        self.start()

    def start(self) -> None:
        self.url = self._running.enter_context(embedded_redis(str(self._folder)))
        self.client = self._running.enter_context(redis.Redis.from_url(self.url))
        self._pid = int(self.client.info("server")["process_id"])

    def stop(self) -> None:
        self._running.close()

    def hang(self) -> None:
        os.kill(self._pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    def configure(self, name: str, value: str | int) -> None:
        self.client.config_set(name, value)


@pytest.fixture(autouse=True)
def rare_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the memory of Redis sampled at the start of a service only: a test that fills it knows what is answered."""
    monkeypatch.setattr(memory_guard, "SAMPLE_INTERVAL_S", 3600.0)
    monkeypatch.setattr(memory_guard, "SOONEST_SAMPLE_S", 3600.0)


@pytest.fixture(autouse=True)
def fresh_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have health and metrics looked up whenever they are asked for: a test need not wait to see what it did."""
    monkeypatch.setattr(shared, "MAX_AGE_S", 0.0)


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    server = OwnRedis(tmp_path / "redis")
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def hung_redis(own_redis: OwnRedis) -> Iterator[OwnRedis]:
    """A Redis that a test may hang: it is resumed in any case, so that it can be stopped."""
    try:
        yield own_redis
    finally:
        own_redis.resume()


@pytest.fixture
def dead_url() -> str:
    """The URL of a Redis that is not there."""
    return f"redis://127.0.0.1:{unused_port()}"


class Log:
    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def text(self) -> str:
        return self._path.read_text()

    def lines(self, wanted: Callable[[dict[str, Any]], bool] = lambda _line: True) -> list[dict[str, Any]]:
        lines = (msgspec.json.decode(line, type=dict[str, Any]) for line in self.text.splitlines())
        return [line for line in lines if wanted(line)]

    def of_deliveries(self) -> list[dict[str, Any]]:
        """Return the lines that the HTTP side writes about deliveries."""
        return self.lines(lambda line: line["event"].startswith("delivery."))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """The log of production, at its most talkative. Ask for it first, so that it outlives what writes to it."""
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    path = tmp_path / "log"
    with path.open("w") as stream:
        logs.configure(make_settings(LOG_LEVEL="debug", LOG_FORMAT="json"), stream)
        # Cached, the loggers of the modules would write to this file for ever.
        structlog.configure(cache_logger_on_first_use=False)
        yield Log(path)
        structlog.reset_defaults()
        logging.getLogger().handlers.clear()
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
async def hasty(start_service: StartService, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A service that waits a moment only: for a head, for a body, for the rest of a body that it refused."""
    monkeypatch.setattr(service.webhook.body, "BODY_TIMEOUT_S", 0.2)
    monkeypatch.setitem(RUNNER_OPTIONS, "lingering_time", 0.1)
    monkeypatch.setitem(RUNNER_OPTIONS, "keepalive_timeout", 0.2)
    return await start_service()
