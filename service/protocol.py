"""What aiohttp's server does otherwise than this service needs. All that reaches into its private parts stands here.

Written against aiohttp 3.14.5; `tests/service/test_protocol.py` fails where another release has changed what is used.

- What is not even HTTP is answered in the one error shape, and logged without what it held: aiohttp answers it itself,
  before any handler, as text that quotes the client's bytes, and logs a traceback that quotes them too.
- A head must be complete within HEAD_TIMEOUT_S: aiohttp gives it as long as an idle connection.
- A body that nobody reads is thrown away as raw bytes: aiohttp goes on parsing it, which costs 2 s of processor time
  for 6 MB of one-byte chunks.
- A client that closes its side of the connection after its request gets its answer: aiohttp closes the other side.
"""

import asyncio
import secrets
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from service.errors import INTERNAL_ERROR, error_of, json_response
from service.in_flight import IN_FLIGHT
from service.middleware import around
from service.requests import ALWAYS

log = structlog.get_logger()


HEAD_TIMEOUT_S = 10.0
# For how long the rest of an unread body is thrown away after its answer, so that a reset does not destroy the answer.
DISCARD_TIMEOUT_S = 2.0


class _RequestHandler(web.RequestHandler):
    """One connection. `half_closed`: the client has closed its side, so it may be gone altogether."""

    __slots__ = ("_ended", "_head_timer", "half_closed")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.half_closed = False
        self._head_timer: asyncio.TimerHandle | None = None
        # Set while the rest of a body is thrown away: done once no more of it comes.
        self._ended: asyncio.Future[None] | None = None

    def data_received(self, data: bytes) -> None:
        if self._ended is not None:
            return
        super().data_received(data)
        waits_for_head = self._waiter is not None and not self._waiter.done()
        if waits_for_head and self._head_timer is None and data:
            self._head_timer = self._loop.call_later(HEAD_TIMEOUT_S, self.force_close)
        elif not waits_for_head and self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio: true keeps this side open
        self._end()
        if self._messages:
            body = self._messages[-1][1]
        elif self._current_request is not None:
            body = self._current_request.content
        else:
            return False
        self.half_closed = True
        if not body.is_eof():
            body.set_exception(RequestPayloadError("the body was broken off"))
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        self._end()
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        super().connection_lost(exc)

    def _end(self) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        unread = not request.content.is_eof()
        if unread:
            resp.force_close()
        finished = await super().finish_response(request, resp, start_time)
        if unread:
            await self._discard()
        if unread or (self.half_closed and not self._messages):
            self.close()
        return finished

    async def _discard(self) -> None:
        """Throw away what still comes of a body, without parsing it, until the client has done or the time is up."""
        transport = self.transport
        if transport is None or self.half_closed:
            return
        self._ended = self._loop.create_future()
        with suppress(OSError, RuntimeError, NotImplementedError):
            transport.write_eof()
        with suppress(RuntimeError):
            transport.resume_reading()
        with suppress(TimeoutError):
            async with asyncio.timeout(DISCARD_TIMEOUT_S):
                await self._ended

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it quotes the request
    ) -> web.StreamResponse:
        request_id = secrets.token_hex(8)
        if isinstance(exc, HttpProcessingError):
            log.warning("request.malformed", request_id=request_id, status=status, error=type(exc).__name__)
            body = error_of(HTTPStatus(status).name.lower(), "the request is not valid HTTP", request_id)
        else:
            log.error("request.failed", request_id=request_id, exc_info=exc)
            body = error_of("internal_error", INTERNAL_ERROR, request_id)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is on its way already")
        response = json_response(body, status, {**ALWAYS, "X-Request-ID": request_id})
        response.force_close()
        return response


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _RequestHandler(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """An AppRunner of an application with IN_FLIGHT that uses `_RequestHandler`, and `around` for every request."""

    __slots__ = ()

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = _Server
        server.request_handler = around(server.request_handler, self.app[IN_FLIGHT])
        return server
