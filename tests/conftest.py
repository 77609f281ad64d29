"""One real redis-server for the whole run, emptied before each test; the service and the worker on top of it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis
import structlog
from aiohttp.test_utils import TestServer
from pytest_aiohttp import AiohttpClient

from mirror.settings import Settings
from mirror.storage.connection import connect
from mirror.storage.embedded import embedded_redis
from mirror.storage.store import Store
from mirror.telemetry.tracing import Tracing
from service.app import make_app
from service.app_keys import FEED_RING, FEED_TAIL
from service.protocol import Runner
from service.server import RUNNER_OPTIONS
from tests.support import Client, make_settings
from worker import supervisor

pytest_plugins = ["tests.marks", "tests.postgres_support"]

StartService = Callable[..., Awaitable[Client]]
StartWorker = Callable[..., Awaitable["asyncio.Task[None]"]]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with embedded_redis(str(tmp_path_factory.mktemp("redis"))) as url:
        yield url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The URL of an empty Redis."""
    client = redis.Redis.from_url(redis_server)
    client.flushall()
    client.close()
    return redis_server


@pytest.fixture
def settings() -> Settings:
    return make_settings()


@pytest.fixture
async def store(settings: Settings, redis_url: str) -> AsyncIterator[Store]:
    store = Store(connect(settings, redis_url))
    yield store
    await store.close()


class Server(TestServer):
    """A test server that runs the application as production does; aiohttp's own has options of its own."""

    async def _make_runner(self, **_kwargs: Any) -> Runner:
        return Runner(self.app, **RUNNER_OPTIONS)

    async def close(self) -> None:
        if not self.closed:
            await self.app[FEED_TAIL].stop()
            await self.app[FEED_RING].stop()
        await super().close()


@pytest.fixture
def start_service(redis_url: str, aiohttp_client: AiohttpClient) -> StartService:
    """Start the service as production does, on a free loopback port; variables may be given."""

    async def start(url: str = redis_url, **variables: str) -> Client:
        app = make_app(make_settings(**variables), url)
        return await aiohttp_client(Server(app, host="127.0.0.1"))

    return start


@pytest.fixture
async def service(start_service: StartService) -> Client:
    return await start_service()


@asynccontextmanager
async def running_worker(
    settings: Settings, url: str, name: str = "a-worker", tracing: Tracing | None = None
) -> AsyncIterator["asyncio.Task[None]"]:
    stop = asyncio.Event()
    task = asyncio.create_task(supervisor.supervise(settings, url, name, stop, tracing))
    try:
        yield task
    finally:
        stop.set()
        await task


@pytest.fixture
async def worker(settings: Settings, redis_url: str) -> AsyncIterator[None]:
    """A worker as in production, but for the process of its own."""
    async with running_worker(settings, redis_url):
        yield


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    """Give each test the logging that it finds in a fresh process, whatever the one before it configured."""
    structlog.reset_defaults()
    structlog.configure(cache_logger_on_first_use=False)
    handlers = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = handlers
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()
