"""A Partoo on loopback whose reviews and faults a test sets, and a mirror beside it that may ask it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from mirror.clock import now_ms
from mirror.domain import reading
from mirror.domain.changes import Source
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.partoo.api import PartooApi, Patience
from mirror.partoo.limiter import Limiter
from mirror.storage import inbox
from mirror.storage.store import Store
from tests.support import make_body
from tools.simulator.api.app import make_api
from tools.simulator.api.options import ApiOptions
from tools.simulator.api.source import FixedReviews
from worker.deciding import Policy
from worker.drain import Drainer
from worker.verification import Verifier

KEY = "a-key"


class Partoo:
    """`reviews` is what is true; `requests` are the queries asked for so far; `behave` sets faults."""

    def __init__(self) -> None:
        self.reviews = FixedReviews()
        self.options = ApiOptions(key=KEY, per_minute=0)
        self.requests: list[dict[str, str]] = []
        self.url = ""
        self.latency_s = 0.0
        self._server: TestServer | None = None
        self._served: web.Application | None = None

    def behave(self, **options: Any) -> None:
        self.options = replace(self.options, **options)
        self._served = None

    async def start(self) -> None:
        front = web.Application()
        front.router.add_route("*", "/{path:.*}", self._answer)
        self._server = TestServer(front, host="127.0.0.1")
        await self._server.start_server()
        self.url = str(self._server.make_url("/v2"))

    async def stop(self) -> None:
        assert self._server is not None
        await self._server.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(dict(request.query))
        await asyncio.sleep(self.latency_s)
        if self._served is None:
            self._served = make_api(self.reviews, self.options)
            self._served.freeze()
        return await self._served._handle(request)  # noqa: SLF001 - the API in front of which this counts


@pytest.fixture
async def partoo() -> AsyncIterator[Partoo]:
    partoo = Partoo()
    await partoo.start()
    yield partoo
    await partoo.stop()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clocks of one machine agree: no need to wait out their difference."""
    monkeypatch.setattr(reading, "OVERTAKEN_MS", 0)


class Mirror:
    """A mirror without its processes: `tell` accepts and applies deliveries, `verify` asks and applies answers.

    Time passes by itself, and by `later`; what was accepted is accepted `ago_ms` before now.
    """

    def __init__(self, store: Store, api: PartooApi, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = store
        self._passed_ms = 0
        monkeypatch.setattr(store, "now", self._now)
        self.verifier = Verifier(store, api, 0)
        self.drainer = Drainer(store, Policy(verification_delay=0))

    def now_ms(self) -> int:
        return now_ms() + self._passed_ms

    async def _now(self) -> int:
        return self.now_ms()

    def later(self, ms: int) -> None:
        self._passed_ms += ms

    async def tell(self, *reviews: dict[str, Any], ago_ms: int = 0) -> None:
        for number, review in enumerate(reviews):
            now = self.now_ms() - ago_ms
            entry = Entry(make_delivery_id(now, number), now, Source.WEBHOOK, make_body(review))
            await inbox.accept(self.store, [(review["id"], entry)])
        await self.drainer.run()

    async def verify(self) -> None:
        await self.verifier.run()
        await self.drainer.run()


MakeMirror = Callable[..., Awaitable[Mirror]]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def mirror(
    store: Store,
    partoo: Partoo,
    session: aiohttp.ClientSession,
    quick: None,  # noqa: ARG001 - it sets
    monkeypatch: pytest.MonkeyPatch,
) -> Mirror:
    api = PartooApi(session, partoo.url, KEY, Limiter(store, 60_000), Patience(timeout_s=0.3))
    return Mirror(store, api, monkeypatch)
