"""aiohttp that enqueues one arq job for each event. `python -m benchmarks.peers.aiohttp_arq PORT`."""

import asyncio
import sys

import uvloop
from aiohttp import web

from benchmarks.ceiling import KEYS
from benchmarks.peers.arq_jobs import connect
from mirror.domain.signature import verify
from mirror.domain.wire import SIGNATURE_HEADER, decode_review


async def main() -> None:
    arq = connect()

    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        verify(KEYS, body, request.headers.getall(SIGNATURE_HEADER, []))
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
