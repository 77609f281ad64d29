"""What stands around every request: it is counted, given an id, and whatever it raises becomes an answer.

It wraps the application as a whole, its router included, and is not one of the middlewares that aiohttp calls itself:
those cost each request two more calls, and the looking up of what they need.
"""

from aiohttp import web

from service.errors import answer_to, forget_frames
from service.in_flight import InFlight
from service.requests import ALWAYS, LOG_FACTS, ROUTE, RequestIds, log_facts
from service.webhook.direct import Direct, Handler


def around(application: Handler, direct: Direct, in_flight: InFlight) -> Handler:
    """Wrap what answers the requests of an application, and of its direct route."""
    request_ids = RequestIds()

    async def handle(request: web.Request) -> web.StreamResponse:
        in_flight.enter()
        try:
            request[LOG_FACTS] = facts = log_facts(request, request_ids.next())
            try:
                if direct.fits(request):
                    request[ROUTE] = direct.path
                    response = await direct.handler(request)
                else:
                    response = await application(request)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is answered
                response = answer_to(request, error)
                forget_frames(error)
            response.headers["X-Request-ID"] = facts["request_id"]
            response.headers.update(ALWAYS)
            # Reviews are personal data, and nothing here is worth a cache that does not ask again.
            response.headers.setdefault("Cache-Control", "no-store")
            # No other protocol is spoken here, and aiohttp drops what stands behind the offer of an unknown one.
            if in_flight.stopping or "Upgrade" in request.headers:
                response.force_close()
            return response
        finally:
            in_flight.leave()

    return handle
