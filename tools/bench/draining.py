"""How many waiting deliveries one worker process applies a second, beside one job for each event."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import redis

from mirror.clock import now_ms
from mirror.domain.changes import Source
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.settings import load as load_settings
from mirror.storage import inbox, keys
from mirror.storage.connection import connect
from mirror.storage.store import Store
from tools.bench.peers.applying import DONE
from tools.bench.processes import environment, process
from tools.bench.requests import make_body

PATIENCE_S = 300.0
COUNT, PEER_COUNT = 20_000, 2_000
# Deliveries stored by one write.
GROUP = 200


def changes(count: int, reviews: int) -> list[tuple[int, int]]:
    """Give `count` changes of `reviews` reviews, in turn: the review's id and a version, as `make_body` takes them."""
    return [(number % reviews, number // reviews) for number in range(count)]


async def fill(redis_url: str, deliveries: Sequence[tuple[int, int]]) -> None:
    """Accept deliveries, each given by its review's id and version, as the service would."""
    store = Store(connect(load_settings({}), redis_url))
    for start in range(0, len(deliveries), GROUP):
        batch = []
        for place, (review_id, version) in enumerate(deliveries[start : start + GROUP], start):
            at = now_ms()
            body = make_body(review_id, version)
            batch.append((review_id, Entry(make_delivery_id(at, place), at, Source.WEBHOOK, body)))
        await inbox.accept(store, batch)
    await store.close()


def applied(client: "redis.Redis") -> int:
    counts: dict[bytes, bytes] = client.execute_command("HGETALL", keys.COUNTERS)
    return sum(int(count) for name, count in counts.items() if name.startswith(b"decisions:"))


def wait_until_applied(client: "redis.Redis", total: int) -> None:
    """Wait until deliveries have been applied. Raises RuntimeError if that takes longer than PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while (now := applied(client)) < total:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {now} of {total} were applied in {PATIENCE_S:g} s")
        time.sleep(0.01)


def rate(count: Callable[[], int], total: int) -> float:
    """Watch a count rise to `total`; give how much it rose a second, from its first rise on.

    Raises RuntimeError if that takes longer than PATIENCE_S.
    """
    deadline = time.monotonic() + PATIENCE_S
    first, started, now = 0, 0.0, 0
    while now < total:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {now} of {total} were applied in {PATIENCE_S:g} s")
        time.sleep(0.005)
        now = count()
        if now and not first:
            first, started = now, time.perf_counter()
    return (total - first) / (time.perf_counter() - started)


def drains(redis_url: str, folder: Path, rounds: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure, in turn: ours on distinct and on hot reviews, one arq job an event, one Celery task an event."""
    client = redis.Redis.from_url(redis_url)

    def ours(reviews: int) -> float:
        asyncio.run(fill(redis_url, changes(COUNT, reviews)))
        with process(["worker"], environment(redis_url), folder / "worker.log"):
            return rate(lambda: applied(client), COUNT)

    def done() -> int:
        return int(client.execute_command("GET", DONE) or 0)

    def arq() -> float:
        asyncio.run(_enqueue_arq(redis_url, PEER_COUNT))
        command = ["arq", "tools.bench.peers.arq_jobs.WorkerSettings"]
        with process(command, environment(redis_url), folder / "arq.log"):
            return rate(done, PEER_COUNT)

    def celery() -> float:
        _enqueue_celery(redis_url, PEER_COUNT, folder)
        command = [
            "celery",
            "-A",
            "tools.bench.peers.flask_celery.celery",
            "worker",
            "-c",
            "1",
            "--loglevel",
            "warning",
        ]
        with process(command, environment(redis_url), folder / "celery.log"):
            return rate(done, PEER_COUNT)

    contestants = {
        "reviewmirror, distinct reviews": lambda: ours(COUNT),
        "reviewmirror, 20 hot reviews": lambda: ours(20),
        "one arq job an event, distinct": arq,
        "one Celery task an event, distinct": celery,
    }
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds):
        for name, run in contestants.items():
            client.flushall()
            found[name].append(run())
            tell(f"round {number + 1} of {rounds}: {name}: {found[name][-1]:.0f}/s")
    client.close()
    ours_name = "reviewmirror, distinct reviews"
    return {
        "per_second": {name: sorted(values)[len(values) // 2] for name, values in found.items()},
        "ours_over": {
            name: round(
                sorted(mine / other for mine, other in zip(found[ours_name], values, strict=True))[len(values) // 2], 1
            )
            for name, values in found.items()
        },
    }


async def _enqueue_arq(redis_url: str, count: int) -> None:
    store = Store(connect(load_settings({}), redis_url))
    for number in range(count):
        await store.redis.enqueue_job("apply_event", make_body(number))
    await store.close()


def _enqueue_celery(redis_url: str, count: int, folder: Path) -> None:
    with process(["tools.bench.peers.enqueue_celery", str(count)], environment(redis_url), folder / "celery.log") as it:
        if it.wait(PATIENCE_S):
            raise RuntimeError((folder / "celery.log").read_text()[-2000:])
