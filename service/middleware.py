"""What stands around every request: it is counted, given an id, and whatever it raises becomes an answer."""

from aiohttp import web
from aiohttp.typedefs import Handler

from service.errors import answer_to
from service.in_flight import IN_FLIGHT
from service.requests import LOG_FACTS, SERVER, log_facts


@web.middleware
async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
    in_flight = request.app[IN_FLIGHT]
    in_flight.enter()
    try:
        request[LOG_FACTS] = facts = log_facts(request)
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
