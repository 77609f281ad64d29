"""How many deliveries a second are acknowledged, beside the ceiling and the peers; and how long each one takes."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import redis

from tools.bench.processes import Server, environment, family_cpu_seconds, load, process, server

CONTESTANTS: dict[str, tuple[list[str], dict[str, str]]] = {
    "read only": (["tools.bench.ceiling", "{port}", "read"], {}),
    "a: ceiling, read + verify": (["tools.bench.ceiling", "{port}", "verify"], {}),
    "a, taken together, not stored": (["tools.bench.ceiling", "{port}", "together"], {}),
    "b: reviewmirror": (["service"], {}),
    "c: aiohttp + arq job each": (["tools.bench.peers.aiohttp_arq", "{port}", "pynacl"], {}),
    "c, verified by cryptography": (["tools.bench.peers.aiohttp_arq", "{port}", "cryptography"], {}),
    "d: FastAPI + uvicorn + arq": (
        [
            "uvicorn",
            "tools.bench.peers.fastapi_arq:app",
            "--port",
            "{port}",
            "--no-access-log",
            "--log-level",
            "warning",
        ],
        {},
    ),
    "d, with its access log": (["uvicorn", "tools.bench.peers.fastapi_arq:app", "--port", "{port}"], {}),
    "e: Flask + gunicorn + Celery": (
        ["gunicorn", "-k", "gthread", "--threads", "8", "-b", "127.0.0.1:{port}", "tools.bench.peers.flask_celery:app"],
        {},
    ),
    "f: reviewmirror, 2 processes": (["service"], {"WEB_CONCURRENCY": "2"}),
}
OURS = "b: reviewmirror"
RATES = (50, 500, 1000)


def acknowledgements(
    redis_url: str, requests: Path, rounds: tuple[int, int], seconds: float, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Let each contestant answer in turn; give medians, and ratios taken round by round.

    `rounds`: how often all of them are started anew, and how many rounds they have each time. The same program differs
    by some per cent from start to start, by how its memory happens to lie.
    """
    starts, rounds_each = rounds
    found: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    cost: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    busy = 0.0
    client = redis.Redis.from_url(redis_url)
    for start in range(starts):
        with ExitStack() as stack:
            servers = {name: stack.enter_context(_contestant(name, redis_url, requests)) for name in CONTESTANTS}
            for number in range(rounds_each):
                for name, one in servers.items():
                    client.flushall()
                    before = family_cpu_seconds(one.pid)
                    answers = load(one.port, requests, seconds)
                    cost[name].append((family_cpu_seconds(one.pid) - before) / answers.answers * 1e6)
                    found[name].append(answers.per_second)
                    busy = max(busy, answers.generator_busy)
                    which = start * rounds_each + number + 1
                    tell(f"round {which} of {starts * rounds_each}: {name}: {answers.per_second:.0f}/s")
    client.close()
    return {
        "per_second": {name: median(values) for name, values in found.items()},
        "processor_us": {name: median(values) for name, values in cost.items()},
        "ours_over": {
            name: round(median(ours / other for ours, other in zip(found[OURS], values, strict=True)), 2)
            for name, values in found.items()
        },
        "processor_over_ours": {
            name: round(median(other / ours for ours, other in zip(cost[OURS], values, strict=True)), 2)
            for name, values in cost.items()
        },
        "generator_busy_at_most": busy,
    }


def _contestant(name: str, redis_url: str, requests: Path) -> AbstractContextManager[Server]:
    arguments, variables = CONTESTANTS[name]
    return server(arguments, environment(redis_url, **variables), requests.with_name("web.log"))


def latencies(redis_url: str, requests: Path, seconds: float, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure from POST to 200, and from POST to the change's entry in the feed, at fixed rates."""
    found = {}
    client = redis.Redis.from_url(redis_url)
    for rate in RATES:
        client.flushall()
        with (
            server(["service"], environment(redis_url), requests.with_name("web.log")) as web,
            process(["worker"], environment(redis_url), requests.with_name("worker.log")),
        ):
            while not client.zcard("rm:workers"):
                time.sleep(0.05)
            load(web.port, requests, 1, "--rate", "50")
            client.flushall()
            options = ("--rate", str(rate), "--connections", "32", "--feed", redis_url)
            answers = load(web.port, requests, seconds, *options)
        missing = int(rate * seconds) - answers.visible
        found[str(rate)] = {
            "answered_ms": answers.answered_ms,
            "visible_ms": answers.visible_ms,
            "never_visible": missing,
        }
        tell(f"{rate}/s: answered {answers.answered_ms}, visible {answers.visible_ms} ms")
    client.close()
    return found
