"""What a review weighs in Redis, and what a delivery costs, as the mirror grows."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from benchmarks.draining import applied, fill
from benchmarks.processes import cpu_seconds, environment, process
from benchmarks.requests import make_body

PROBE = 20_000


def growth(redis_url: str, folder: Path, *, sizes: tuple[int, ...], tell: Callable[[str], None]) -> dict[str, Any]:
    """At each size: bytes a review, with one change each; then the processor time of PROBE more deliveries.

    Raw deliveries are not kept meanwhile, so that the mirror alone is weighed; `kept` weighs them.
    """
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    empty = client.execute_command("INFO", "memory")["used_memory"]
    payload = len(make_body(0)) - len(b'{"type":"review_updated","payload":{"review":}}')
    found: dict[str, Any] = {}
    with process(["worker"], environment(redis_url, DELIVERY_RETENTION="0s"), folder / "worker.log") as worker:
        server_pid = client.execute_command("INFO", "server")["process_id"]
        mirrored = total = 0
        for size in sizes:
            while mirrored < size:
                step = min(20_000, size - mirrored)
                asyncio.run(fill(redis_url, step, 10**9, first=mirrored))
                mirrored += step
                total += step
                _wait(client, total)
                tell(f"{mirrored} of {size} reviews")
            used = client.execute_command("INFO", "memory")["used_memory"] - empty
            _settle(client)
            before = cpu_seconds(worker.pid), cpu_seconds(server_pid)
            asyncio.run(fill(redis_url, PROBE, size, first=size * (1 + len(found))))
            total += PROBE
            _wait(client, total)
            after = cpu_seconds(worker.pid), cpu_seconds(server_pid)
            costs = [(end - start) / PROBE * 1e6 for start, end in zip(before, after, strict=True)]
            found[str(size)] = {
                "bytes_a_review": round(used / size),
                "times_its_payload": round(used / size / payload, 2),
                "worker_us_a_delivery": round(costs[0], 1),
                "redis_us_a_delivery": round(costs[1], 1),
            }
            tell(f"{size} reviews: {found[str(size)]}")
    client.close()
    return found


def kept(redis_url: str, folder: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """Weigh raw deliveries of 1.1 KB that are kept: PROBE of them, of reviews of their own and of 1,000 reviews."""
    client = redis.Redis.from_url(redis_url)
    found = {}
    for reviews in (PROBE, 1_000):
        used = {}
        for retention in ("0s", "1d"):
            client.flushall()
            variables = environment(redis_url, DELIVERY_RETENTION=retention)
            with process(["worker"], variables, folder / "worker.log"):
                asyncio.run(fill(redis_url, PROBE, reviews))
                _wait(client, PROBE)
            _settle(client)
            used[retention] = client.execute_command("INFO", "memory")["used_memory"]
        found[f"{PROBE // reviews} a review"] = round((used["1d"] - used["0s"]) / PROBE)
    tell(f"bytes a delivery kept: {found}")
    client.close()
    return {"bytes_a_delivery": found}


def _wait(client: "redis.Redis", total: int) -> None:
    while applied(client) < total:
        time.sleep(0.02)


def _settle(client: "redis.Redis") -> None:
    """Wait until Redis has no rewrite of its append-only file under way, which would be counted."""
    while client.execute_command("INFO", "persistence")["aof_rewrite_in_progress"]:
        time.sleep(0.2)
