"""The ceiling: the same server, with its limits, that only reads and verifies each delivery.

`python -m benchmarks.ceiling PORT verify|read`; with `read` it does not even verify.
"""

import asyncio
import sys

import uvloop
from aiohttp import web

from benchmarks.requests import SIGNER
from mirror.bootstrap import settle_memory
from mirror.domain.signature import parse_public_keys, verify
from mirror.domain.wire import SIGNATURE_HEADER
from service.body import read_body
from service.errors import json_response
from service.in_flight import IN_FLIGHT, InFlight
from service.protocol import Runner
from service.server import RUNNER_OPTIONS

KEYS = parse_public_keys(SIGNER.public_key)


async def read_and_verify(request: web.Request) -> web.Response:
    body = await read_body(request)
    verify(KEYS, body, request.headers.getall(SIGNATURE_HEADER, []))
    return json_response({"status": "accepted", "delivery_id": "0" * 24})


async def read_only(request: web.Request) -> web.Response:
    await read_body(request)
    return json_response({"status": "accepted", "delivery_id": "0" * 24})


async def main() -> None:
    app = web.Application()
    app[IN_FLIGHT] = InFlight()
    app.router.add_post("/webhooks/partoo", read_and_verify if sys.argv[2] == "verify" else read_only)
    runner = Runner(app, **RUNNER_OPTIONS)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(sys.argv[1])).start()
    settle_memory()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
