"""A receiver for the simulator to send to: it keeps every request and answers as it is told."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from pytest_aiohttp import AiohttpServer
from yarl import URL

from tools.simulator.keys import Signer
from tools.simulator.wire import SignedEvent, sign_event

PATH = "/webhooks/partoo"
HANG = 0
"""In place of a status: let the sender wait for longer than a test's timeout."""


@dataclass(frozen=True)
class Received:
    body: bytes
    headers: Mapping[str, str]
    query: Mapping[str, str]
    path: str


@dataclass
class Receiver:
    """Answers with one status after the other; with the last one from then on."""

    statuses: Sequence[int] = (200,)
    answer: bytes | None = None
    received: list[Received] = field(default_factory=list)
    url: URL = field(default_factory=URL)

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.received.append(Received(body, dict(request.headers), dict(request.query), request.path))
        number = len(self.received)
        status = self.statuses[min(number, len(self.statuses)) - 1]
        if status == HANG:
            await asyncio.sleep(0.2)
        return web.Response(
            status=status or 200,
            body=self.answer if self.answer is not None else json.dumps(self._answer(status, number)).encode(),
            content_type="application/json",
            headers={"Location": str(self.url)} if status // 100 == 3 else None,
        )

    async def start(self, aiohttp_server: AiohttpServer) -> "Receiver":
        app = web.Application()
        app.router.add_route("*", PATH, self.handle)
        server = await aiohttp_server(app)
        self.url = server.make_url(PATH)
        return self

    @staticmethod
    def _answer(status: int, number: int) -> dict[str, Any]:
        if status == 200:
            return {"status": "accepted", "delivery_id": f"d-{number}"}
        return {"error": {"code": f"code_{status}", "message": "The receiver says why."}}


def signed(body: bytes = b'{"type":"review_updated"}') -> SignedEvent:
    return sign_event(body, Signer.new(), {})
