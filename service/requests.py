"""What every request is given: an id of our own, bound to its log lines and answered in `X-Request-ID`."""

import secrets

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

REQUEST_ID = web.RequestKey("request_id", str)
_MAX_UPSTREAM_ID = 64


def make_request_id() -> str:
    return secrets.token_hex(8)


async def expect(request: web.Request) -> None:
    """Answer `Expect: 100-continue`, and ignore any other expectation (RFC 9110, 10.1.1, leaves that to the server)."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # What is counted here must be the answer alone.
        request.writer.output_size = 0


@web.middleware
async def identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id. The client may send one too: it is logged, never trusted (Heroku passes it through)."""
    request_id = make_request_id()
    request[REQUEST_ID] = request_id
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    upstream = request.headers.get("X-Request-ID")
    if upstream:
        printable = "".join(character for character in upstream[:_MAX_UPSTREAM_ID] if "!" <= character <= "~")
        structlog.contextvars.bind_contextvars(upstream_request_id=printable)
    response = await handler(request)
    response.headers["X-Request-ID"] = request_id
    return response
