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

from mirror.storage.embedded import embedded_redis
from tools.bench.draining import changes, fill, wait_until_applied
from tools.bench.processes import Server, cpu_seconds, environment, load, process, server
from tools.bench.requests import make_body, write_changes

PROBE = 10_000
STEP = 20_000
KEPT = 20_000


class Cost(msgspec.Struct):
    """Processor time of each process, in seconds or, of one delivery, in microseconds."""

    web: float
    worker: float
    redis: float

    def since(self, before: "Cost") -> "Cost":
        return Cost(self.web - before.web, self.worker - before.worker, self.redis - before.redis)


class Mirror(msgspec.Struct):
    """A mirror of `size` reviews: a Redis, a web process and a worker of its own, which is stopped between drains."""

    size: int
    folder: Path
    url: str
    client: Any
    web: Server
    worker: Any
    used_empty: int = 0
    total: int = 0

    def fill(self, deliveries: list[tuple[int, int]]) -> None:
        asyncio.run(fill(self.url, deliveries))
        self.total += len(deliveries)

    def post(self, deliveries: list[tuple[int, int]]) -> None:
        requests = self.folder / "requests"
        write_changes(requests, deliveries)
        load(self.web.port, requests, 0, "--once")
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

    def spent(self) -> Cost:
        redis_pid = self.client.execute_command("INFO", "server")["process_id"]
        return Cost(cpu_seconds(self.web.pid), cpu_seconds(self.worker.pid), cpu_seconds(redis_pid))


def growth(folder: Path, *, sizes: tuple[int, ...], rounds: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Fill a mirror of each size and weigh it; then measure, in turn, what a delivery costs in each.

    A probe is PROBE deliveries, each of another review, spread over the whole mirror, all posted to the web process
    before the worker starts on them. The cost is processor time, of all three processes, in microseconds. Raw
    deliveries are not kept meanwhile, so that the mirror alone is weighed (`kept` weighs them). The append-only file is
    never rewritten: the first write to each page of memory after the fork costs a page's copying or a fault, which
    would meet nearly every write to a large mirror here, and in its daily life one of many.
    """
    payload = len(make_body(0)) - len(b'{"type":"review_updated","payload":{"review":}}')
    with ExitStack() as stack:
        mirrors = [stack.enter_context(_mirror(folder / str(size), size)) for size in sizes]
        weights = {mirror.size: _populate(mirror, tell) for mirror in mirrors}
        used_before = {mirror.size: mirror.used() for mirror in mirrors}
        costs: dict[int, list[Cost]] = {size: [] for size in sizes}
        for number in range(1, rounds + 1):
            for mirror in mirrors:
                cost = _probe(mirror, number)
                costs[mirror.size].append(cost)
                each = ", ".join(f"{name} {us:.0f} us" for name, us in msgspec.structs.asdict(cost).items())
                tell(f"round {number} of {rounds}: {mirror.size} reviews: {each}")
        grown = {mirror.size: (mirror.used() - used_before[mirror.size]) / rounds / PROBE for mirror in mirrors}
    smallest = costs[sizes[0]]
    return {
        str(size): {
            "bytes_a_review": round(weight),
            "bytes_a_change": round(grown[size]),
            "times_its_payload": round((weight + grown[size]) / payload, 2),
            "web_us_a_delivery": round(median(cost.web for cost in costs[size])),
            "worker_us_a_delivery": round(median(cost.worker for cost in costs[size])),
            "redis_us_a_delivery": round(median(cost.redis for cost in costs[size])),
            "over_smallest": _ratio(costs[size], smallest, lambda cost: cost.web + cost.worker + cost.redis),
            "over_smallest_without_web": _ratio(costs[size], smallest, lambda cost: cost.worker + cost.redis),
        }
        for size, weight in weights.items()
    }


def _ratio(costs: list[Cost], others: list[Cost], of: Callable[[Cost], float]) -> float:
    """Give the median of the ratios, taken round by round."""
    return round(median(of(cost) / of(other) for cost, other in zip(costs, others, strict=True)), 2)


@contextmanager
def _mirror(folder: Path, size: int) -> Iterator[Mirror]:
    folder.mkdir()
    with embedded_redis(str(folder)) as url:
        client = redis.Redis.from_url(url)
        client.execute_command("CONFIG", "SET", "auto-aof-rewrite-percentage", 0)
        variables = environment(url, DELIVERY_RETENTION="0s")
        with (
            client,
            server(["service"], variables, folder / "web.log") as web,
            process(["worker"], variables, folder / "worker.log") as worker,
        ):
            mirror = Mirror(size, folder, url, client, web, worker)
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
    return (mirror.used() - mirror.used_empty) / mirror.size


def _probe(mirror: Mirror, version: int) -> Cost:
    """Give what a delivery costs each process, in microseconds of processor time."""
    stride = mirror.size // PROBE
    before = mirror.spent()
    mirror.post([(place * stride + version % stride, version) for place in range(PROBE)])
    mirror.drain()
    spent = mirror.spent().since(before)
    return Cost(*(seconds / PROBE * 1e6 for seconds in msgspec.structs.astuple(spent)))


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
