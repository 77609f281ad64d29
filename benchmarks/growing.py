"""What a review weighs in Redis, and what a delivery costs, as the mirror grows."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import redis

from benchmarks.draining import changes, fill, wait_until_applied
from benchmarks.processes import cpu_seconds, environment, process
from benchmarks.requests import make_body
from mirror.storage.embedded import embedded_redis

PROBE = 10_000
STEP = 20_000
KEPT = 20_000


class Mirror(msgspec.Struct):
    """A mirror of `size` reviews in a Redis of its own, with a worker of its own, which is stopped between probes."""

    size: int
    url: str
    client: Any
    worker: Any
    used_empty: int = 0
    total: int = 0

    def fill(self, deliveries: list[tuple[int, int]]) -> None:
        asyncio.run(fill(self.url, deliveries))
        self.total += len(deliveries)

    def drain(self) -> None:
        self.worker.send_signal(signal.SIGCONT)
        try:
            wait_until_applied(self.client, self.total)
        finally:
            self.worker.send_signal(signal.SIGSTOP)

    def used(self) -> int:
        """Give the bytes of memory that Redis uses."""
        return int(self.client.execute_command("INFO", "memory")["used_memory"])

    def cpu(self) -> tuple[float, float]:
        server = self.client.execute_command("INFO", "server")["process_id"]
        return cpu_seconds(self.worker.pid), cpu_seconds(server)


def growth(folder: Path, *, sizes: tuple[int, ...], rounds: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Fill a mirror of each size and weigh it; then measure, in turn, what a delivery costs in each.

    A probe is PROBE deliveries, each of another review, spread over the whole mirror, all stored before the worker
    starts on them. The cost is processor time, of the worker and of Redis, in microseconds. Raw deliveries are not kept
    meanwhile, so that the mirror alone is weighed (`kept` weighs them); the append-only file is rewritten before the
    probes, not within them.
    """
    payload = len(make_body(0)) - len(b'{"type":"review_updated","payload":{"review":}}')
    with ExitStack() as stack:
        mirrors = [stack.enter_context(_mirror(folder / str(size), size)) for size in sizes]
        weights = {mirror.size: _populate(mirror, tell) for mirror in mirrors}
        used_before = {mirror.size: mirror.used() for mirror in mirrors}
        costs: dict[int, list[tuple[float, float]]] = {size: [] for size in sizes}
        for number in range(1, rounds + 1):
            for mirror in mirrors:
                costs[mirror.size].append(_probe(mirror, number))
                worker, server = costs[mirror.size][-1]
                tell(f"round {number} of {rounds}: {mirror.size} reviews: worker {worker:.0f}, Redis {server:.0f} us")
        grown = {mirror.size: (mirror.used() - used_before[mirror.size]) / rounds / PROBE for mirror in mirrors}
    sums = {size: [sum(cost) for cost in found] for size, found in costs.items()}
    return {
        str(size): {
            "bytes_a_review": round(weight),
            "bytes_a_change": round(grown[size]),
            "times_its_payload": round((weight + grown[size]) / payload, 2),
            "worker_us_a_delivery": round(median(worker for worker, _ in costs[size]), 1),
            "redis_us_a_delivery": round(median(server for _, server in costs[size]), 1),
            "over_smallest": round(median(a / b for a, b in zip(sums[size], sums[sizes[0]], strict=True)), 2),
        }
        for size, weight in weights.items()
    }


@contextmanager
def _mirror(folder: Path, size: int) -> Iterator[Mirror]:
    folder.mkdir()
    with embedded_redis(str(folder)) as url:
        client = redis.Redis.from_url(url)
        variables = environment(url, DELIVERY_RETENTION="0s")
        with client, process(["worker"], variables, folder / "worker.log") as worker:
            mirror = Mirror(size, url, client, worker)
            mirror.used_empty = mirror.used()
            try:
                yield mirror
            finally:
                worker.send_signal(signal.SIGCONT)


def _populate(mirror: Mirror, tell: Callable[[str], None]) -> float:
    """Mirror all reviews; give the bytes of each."""
    for start in range(0, mirror.size, STEP):
        mirror.fill([(review_id, 0) for review_id in range(start, min(start + STEP, mirror.size))])
        mirror.drain()
        tell(f"{min(start + STEP, mirror.size)} of {mirror.size} reviews")
    weight = (mirror.used() - mirror.used_empty) / mirror.size
    mirror.client.execute_command("CONFIG", "SET", "auto-aof-rewrite-percentage", 0)
    _settle(mirror.client)
    mirror.client.execute_command("BGREWRITEAOF")
    _settle(mirror.client)
    return float(weight)


def _probe(mirror: Mirror, version: int) -> tuple[float, float]:
    """Give what a delivery costs the worker and Redis, in microseconds of processor time."""
    stride = mirror.size // PROBE
    before = mirror.cpu()
    mirror.fill([(place * stride + version % stride, version) for place in range(PROBE)])
    mirror.drain()
    worker, server = ((end - start) / PROBE * 1e6 for start, end in zip(before, mirror.cpu(), strict=True))
    return worker, server


def kept(redis_url: str, folder: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """Weigh raw deliveries of 1.1 KB that are kept: KEPT of them, of reviews of their own and of 1,000 reviews."""
    client = redis.Redis.from_url(redis_url)
    found = {}
    for reviews in (KEPT, 1_000):
        used = {}
        for retention in ("0s", "1d"):
            client.flushall()
            variables = environment(redis_url, DELIVERY_RETENTION=retention)
            with process(["worker"], variables, folder / "worker.log"):
                asyncio.run(fill(redis_url, changes(KEPT, reviews)))
                wait_until_applied(client, KEPT)
            _settle(client)
            used[retention] = client.execute_command("INFO", "memory")["used_memory"]
        found[f"{KEPT // reviews} a review"] = round((used["1d"] - used["0s"]) / KEPT)
    tell(f"bytes a delivery kept: {found}")
    client.close()
    return {"bytes_a_delivery": found}


def _settle(client: "redis.Redis") -> None:
    """Wait until Redis has no rewrite of its append-only file under way, which would be counted."""
    while client.execute_command("INFO", "persistence")["aof_rewrite_in_progress"]:
        time.sleep(0.1)
