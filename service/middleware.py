"""What stands around every request: it is counted, given an id, and whatever it raises becomes an answer."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from service.errors import answer_to
from service.in_flight import InFlight
from service.requests import LOG_FACTS, SERVER, RequestIds, log_facts


def around(in_flight: InFlight, request_ids: RequestIds) -> Middleware:
    """Make the middleware. What it needs is bound to it here: looking it up anew costs each request some."""

    @web.middleware
    async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
        in_flight.enter()
        try:
            request[LOG_FACTS] = facts = log_facts(request, request_ids.next())
            try:
                response = await handler(request)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is answered
                response = answer_to(request, error)
            response.headers["X-Request-ID"] = facts["request_id"]
            response.headers["Server"] = SERVER
            if in_flight.stopping:
                response.force_close()
            return response
        finally:
            in_flight.leave()

    return handle
