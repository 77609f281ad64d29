"""`python -m tools.bench.backfill [REVIEWS]`: an empty mirror filled by `reconcile`, and compared once more when full.

Partoo is played by a process that makes up its pages, so that it is not what is measured; the rate is raised as far as
it goes.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import redis
from aiohttp import web

from mirror.storage.embedded import embedded_redis
from tools.bench.processes import environment, process, server
from tools.bench.requests import make_body

PER_PAGE = 30
RATE = 1_000_000
_BEFORE_REVIEW = b'{"type":"review_updated","payload":{"review":'


def page(number: int, count: int) -> bytes:
    """Make a page of a listing of so many reviews, as Partoo's API answers it."""
    ids = range((number - 1) * PER_PAGE, min(number * PER_PAGE, count))
    reviews = b",".join(make_body(one)[len(_BEFORE_REVIEW) : -2] for one in ids)
    head = b'{"page":%d,"max_page":%d,"count":%d,"reviews":[' % (number, max(1, -(-count // PER_PAGE)), count)
    return head + reviews + b"]}"


def serve(port: int, count: int) -> None:
    async def answer(request: web.Request) -> web.Response:
        listed = 0 if "state" in request.query else count
        return web.Response(body=page(int(request.query["page"]), listed), content_type="application/json")

    app = web.Application()
    app.router.add_get("/v2/reviews", answer)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


def measure(count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="reviewmirror-backfill-") as name, embedded_redis(f"{name}/redis") as url:
        folder, client = Path(name), redis.Redis.from_url(url)
        empty = client.execute_command("INFO", "memory")["used_memory"]
        partoo = ["tools.bench.backfill", str(count), "--serve", "{port}"]
        with (
            server(partoo, os.environ, folder / "partoo.log") as partoo_api,
            process(["worker"], environment(url), folder / "worker.log") as worker,
        ):
            runs = {what: asyncio.run(reconcile(url, partoo_api.port)) for what in ("filled", "compared")}
            used = client.execute_command("INFO", "memory")["used_memory"] - empty
            results = {
                **runs,
                "worker_peak_mib": _peak_mib(worker.pid),
                "redis_bytes_a_review": round(used / count),
                "payload_bytes": len(make_body(0)) - len(_BEFORE_REVIEW) - 2,
            }
        client.close()
    return results


async def reconcile(url: str, port: int) -> dict[str, Any]:
    """Run `python -m mirror reconcile` against a Partoo on this port, to its end; give its counts, time and memory."""
    variables = {"PARTOO_API_URL": f"http://127.0.0.1:{port}/v2", "PARTOO_API_KEY": "k", "PARTOO_API_RATE": str(RATE)}
    started = time.monotonic()
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "mirror", "reconcile", "--json"),
        env=environment(url, **variables),
        stdout=asyncio.subprocess.PIPE,
    )
    peak, out = 0.0, asyncio.create_task(running.communicate())
    while not out.done():
        await asyncio.wait({out}, timeout=0.05)
        peak = max(peak, _peak_mib(running.pid))
    report = msgspec.json.decode(out.result()[0])
    counts = {outcome: report[outcome] for outcome in ("checked", "same", "first_seen", "waiting")}
    return {"seconds": round(time.monotonic() - started, 1), "peak_mib": peak, **counts}


def _peak_mib(pid: int) -> float:
    """Return the most memory a process has had, 0 once it has ended (Linux)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return round(int(lines[0].split()[1]) / 1024, 1) if lines else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reviews", type=int, nargs="?", default=100_000)
    parser.add_argument("--serve", type=int, metavar="PORT", help="be the one that plays Partoo")
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.reviews)
    else:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(measure(options.reviews)), indent=2).decode() + "\n")


if __name__ == "__main__":
    main()
