"""A receiver that fails in every way it is told to, and senders that run against it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from mirror.clock import now_ms
from mirror.domain.feed import BEGINNING, Position
from mirror.domain.outgoing import Endpoint, Secret, make_secret
from mirror.outgoing.client import OutgoingClient
from mirror.storage import endpoints
from mirror.storage.store import Store
from tests.support import wait_until
from worker.outgoing.senders import Senders

SECRET = make_secret(bytes(range(32)))

# What to answer: a status, an answer, or a coroutine that gives one.
Reply = Callable[[web.Request, dict[str, Any]], Any]


class Receiver:
    """Keeps what it was sent; `reply` decides what it answers."""

    def __init__(self) -> None:
        self.reply: Reply = lambda _request, _event: 200
        self.attempts: list[dict[str, Any]] = []
        self.taken: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.url = ""

    async def receive(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        event = json.loads(body)
        self.bodies.append(body)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.attempts.append(event)
        reply = self.reply(request, event)
        if asyncio.iscoroutine(reply):
            reply = await reply
        if isinstance(reply, web.StreamResponse):
            return reply
        if 200 <= reply < 300:
            self.taken.append(event)
        return web.Response(status=reply)

    @property
    def ids(self) -> list[str]:
        return [event["id"] for event in self.taken]


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.receive)
    async with TestServer(app) as server:
        receiver.url = str(server.make_url("/hook"))
        yield receiver


class Clock:
    """The time, which a test may move on."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return now_ms() + self.ahead


@asynccontextmanager
async def sending(
    store: Store, *, allow_private: bool = True, clock: Callable[[], int] = now_ms, holder: str = "a-worker"
) -> AsyncIterator[Senders]:
    client = OutgoingClient(allow_private=allow_private, timeout_s=1.0)
    senders = Senders(store, client, holder, clock)
    running = asyncio.create_task(senders.run())
    try:
        yield senders
    finally:
        await senders.stop()
        running.cancel()
        await asyncio.wait({running})
        await client.close()


async def add_endpoint(
    store: Store, url: str, endpoint_id: str = "ep_1", cursor: Position = BEGINNING, **fields: Any
) -> Endpoint:
    endpoint = Endpoint(id=endpoint_id, url=url, secrets=(Secret(SECRET),), created_at=now_ms(), **fields)
    await endpoints.add(store, endpoint, cursor)
    return endpoint


async def until(condition: Callable[[], Any], patience: float = 10) -> None:
    async def met() -> Any:
        return condition()

    await wait_until(met, patience)
