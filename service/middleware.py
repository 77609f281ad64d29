"""Wraps every request: counts it, gives it an id, and turns whatever it raises into an answer.

It wraps the application as a whole, its router included. It is none of aiohttp's own middlewares: those cost each
request two more calls.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from service.errors import answer_to, forget_frames
from service.in_flight import InFlight
from service.requests import ALWAYS, LOG_FACTS, RequestIds, log_facts

# Any: aiohttp's server says that it passes a BaseRequest; an application's makes it a Request.
Handler = Callable[[Any], Awaitable[web.StreamResponse]]


def around(application: Handler, in_flight: InFlight) -> Handler:
    """Wrap what answers the requests of an application."""
    request_ids = RequestIds()

    async def handle(request: web.Request) -> web.StreamResponse:
        in_flight.enter()
        try:
            request[LOG_FACTS] = facts = log_facts(request, request_ids.next())
            try:
                response = await application(request)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is answered
                response = answer_to(request, error)
                forget_frames(error)
            response.headers["X-Request-ID"] = facts["request_id"]
            response.headers.update(ALWAYS)
            # Reviews are personal data, and nothing here is worth a cache that does not ask again.
            response.headers.setdefault("Cache-Control", "no-store")
            # No other protocol is spoken here, and aiohttp drops what follows a request to upgrade to one.
            if in_flight.stopping or "Upgrade" in request.headers:
                response.force_close()
            return response
        finally:
            in_flight.leave()

    return handle
