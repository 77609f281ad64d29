"""aiohttp that enqueues one arq job for each event. `python -m tools.bench.peers.aiohttp_arq PORT pynacl|cryptography`.

With `pynacl` it verifies as reviewmirror does, with `cryptography` by the library that one takes without measuring.
"""

import asyncio
import base64
import sys
from collections.abc import Callable

import uvloop
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from mirror.domain import signature
from mirror.domain.wire import SIGNATURE_HEADER, decode_review
from tools.bench.ceiling import KEYS
from tools.bench.peers.arq_jobs import connect

KEY = Ed25519PublicKey.from_public_bytes(bytes(KEYS[0].verify_key))


def verify_by_pynacl(request: web.Request, body: bytes) -> None:
    signature.verify(KEYS, body, request.headers.getall(SIGNATURE_HEADER, []))


def verify_by_cryptography(request: web.Request, body: bytes) -> None:
    KEY.verify(base64.b64decode(request.headers[SIGNATURE_HEADER], validate=True), body)


VERIFY: dict[str, Callable[[web.Request, bytes], None]] = {
    "pynacl": verify_by_pynacl,
    "cryptography": verify_by_cryptography,
}


async def main() -> None:
    arq = connect()
    verify = VERIFY[sys.argv[2]]

    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        verify(request, body)
        decode_review(body)
        if await arq.enqueue_job("apply_event", body) is None:
            raise web.HTTPServiceUnavailable
        return web.json_response({"status": "accepted"})

    app = web.Application()
    app.router.add_post("/webhooks/partoo", receive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(sys.argv[1])).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
