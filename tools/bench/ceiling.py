"""The ceiling: the same server, with its limits, that only reads and verifies each delivery.

`python -m tools.bench.ceiling PORT read|verify|together`: `read` does not even verify; `together` takes the deliveries
of one turn of the event loop together, as the service does, and verifies and identifies them, but stores nothing.
"""

import asyncio
import sys
import time

import uvloop
from aiohttp import web

from mirror.bootstrap import tune_gc
from mirror.clock import now_ms
from mirror.domain.signature import parse_public_keys, verify
from mirror.domain.wire import SIGNATURE_HEADER
from service.errors import json_response
from service.in_flight import IN_FLIGHT, InFlight
from service.protocol import Runner
from service.server import RUNNER_OPTIONS
from service.webhook.address import WebhookResource
from service.webhook.body import BodyReader
from service.webhook.delivery import Delivery, make_delivery
from service.webhook.intake import Intake
from tools.bench.requests import SIGNER

KEYS = parse_public_keys(SIGNER.public_key)
BODIES = BodyReader()


def _accepted() -> web.Response:
    return json_response({"status": "accepted", "delivery_id": "0" * 24})


async def read_and_verify(request: web.Request) -> web.Response:
    body = await BODIES.read(request)
    verify(KEYS, body, request.headers.getall(SIGNATURE_HEADER, []))
    return _accepted()


async def read_only(request: web.Request) -> web.Response:
    await BODIES.read(request)
    return _accepted()


def _accept(delivery: Delivery) -> None:
    """Stand in for `BatchWriter.add`, and store nothing."""
    delivery.done.set_result("accepted")


INTAKE = Intake(KEYS, _accept, lambda _body: None)


async def take_together(request: web.Request) -> web.Response:
    delivery = make_delivery(request, await BODIES.read(request), time.perf_counter(), now_ms())
    INTAKE.take(delivery)
    await delivery.done
    return _accepted()


HANDLERS = {"read": read_only, "verify": read_and_verify, "together": take_together}


async def main() -> None:
    app = web.Application()
    app[IN_FLIGHT] = InFlight()
    app.router.register_resource(WebhookResource(HANDLERS[sys.argv[2]]))
    runner = Runner(app, **RUNNER_OPTIONS)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(sys.argv[1])).start()
    tune_gc()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
