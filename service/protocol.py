"""What is not even HTTP: answered in the one error shape, and logged without what it held.

aiohttp answers such requests itself, before any handler or middleware, as text that quotes the client's bytes, and logs
a traceback that quotes them too: a signature, a token or a part of a body would stand in the log.
"""

import secrets
from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from service.errors import INTERNAL_ERROR, error_of, json_response
from service.in_flight import IN_FLIGHT
from service.middleware import around
from service.requests import ALWAYS
from service.webhook.direct import DIRECT

log = structlog.get_logger()


class _RequestHandler(web.RequestHandler):
    __slots__ = ()

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
    """An AppRunner of an application with DIRECT and IN_FLIGHT: `around` is about it, and what is not HTTP answered."""

    __slots__ = ()

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = _Server
        server.request_handler = around(server.request_handler, self.app[DIRECT], self.app[IN_FLIGHT])
        return server
