"""How fast a worker fills the tables in Postgres, how fast it follows, and how far behind it is at 2,000 changes/s."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from typing import Any

import psycopg
import redis

from mirror.domain.feed import Position
from mirror.settings import load as load_settings
from mirror.storage import keys
from mirror.storage.connection import connect
from mirror.storage.store import Store
from tools.bench.draining import applied, changes, fill, wait_until_applied
from tools.bench.processes import cpu_seconds, environment, family_cpu_seconds, process
from tools.dev.postgres import PostgresServer

REVIEWS, CHANGES = 10_000, 40_000
RATE, SECONDS = 2_000, 15
PATIENCE_S = 120.0


def sinking(redis_url: str, folder: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure on an empty Redis and an empty Postgres that is as careful with its disk as in production."""
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    place = folder / "postgres"
    place.mkdir()
    with PostgresServer(place, sync=True) as server, psycopg.connect(server.url(), autocommit=True) as database:
        log = folder / "worker.log"
        plain, sinks = environment(redis_url), environment(redis_url, DATABASE_URL=server.url())
        _apply(client, redis_url, plain, log, changes(REVIEWS, REVIEWS))
        with process(["worker"], sinks, log):
            filled = REVIEWS / _until(lambda: _filled(database, client))
        _apply(client, redis_url, plain, log, [(one, 1 + version) for one, version in changes(CHANGES, REVIEWS)])
        with process(["worker"], sinks, log) as worker:
            began = _started(database)
            spent_before = cpu_seconds(worker.pid), family_cpu_seconds(server.pid or 0)
            followed = CHANGES / _until(lambda: _caught_up(database, client), began)
            worker_us = (cpu_seconds(worker.pid) - spent_before[0]) / CHANGES * 1e6
            postgres_us = (family_cpu_seconds(server.pid or 0) - spent_before[1]) / CHANGES * 1e6
            tell(f"{filled:.0f} reviews/s filled, {followed:.0f} changes/s followed")
            before = cpu_seconds(worker.pid)
            lags = asyncio.run(_paced(redis_url, client, database))
            spent = cpu_seconds(worker.pid) - before
            _until(lambda: _caught_up(database, client))
        cuts = quantiles(lags, n=100)
        found = {
            "filled_per_second": round(filled),
            "followed_per_second": round(followed),
            "worker_us_a_change": round(worker_us),
            "postgres_us_a_change": round(postgres_us),
            "rate": RATE,
            "lag_ms": {"p50": round(cuts[49]), "p99": round(cuts[98])},
            "worker_busy": round(spent / SECONDS, 2),
        }
    tell(f"at {RATE} changes/s: {found}")
    client.flushall()
    client.close()
    return found


def _apply(client: "redis.Redis", url: str, variables: dict[str, str], log: Path, what: list[tuple[int, int]]) -> None:
    before = applied(client)
    asyncio.run(fill(url, what))
    with process(["worker"], variables, log):
        wait_until_applied(client, before + len(what))


def _cursor(database: "psycopg.Connection[Any]") -> tuple[str, int | None] | None:
    try:
        found = database.execute("SELECT cursor, filled_to FROM mirror_cursor").fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    return None if found is None else (found[0], found[1])


def _filled(database: "psycopg.Connection[Any]", _client: "redis.Redis") -> bool | None:
    found = _cursor(database)
    return None if found is None else found[1] is None


def _caught_up(database: "psycopg.Connection[Any]", client: "redis.Redis") -> bool:
    info: Any = client.xinfo_stream(keys.FEED)
    return _cursor(database) == (info["last-generated-id"].decode(), None)


def _started(database: "psycopg.Connection[Any]") -> float:
    """Wait until the sink has moved on; give when it began."""
    first = _cursor(database)
    while _cursor(database) == first:
        time.sleep(0.005)
    return time.perf_counter()


def _until(condition: Callable[[], bool | None], started: float | None = None) -> float:
    """Wait until something is so, give the seconds that it took from when the condition first told anything."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        if started is None and found is not None:
            started = time.perf_counter()
        if time.monotonic() > deadline:
            raise RuntimeError(f"Postgres was not up to date within {PATIENCE_S:g} s")
        time.sleep(0.01)
    return time.perf_counter() - (started or time.perf_counter() - 1e-9)


async def _paced(url: str, client: "redis.Redis", database: "psycopg.Connection[Any]") -> list[float]:
    """Accept RATE deliveries a second; give how old, in ms, the newest change in Postgres was every 50 ms."""
    filling = asyncio.create_task(_accept(url))
    lags = []
    while not filling.done():
        await asyncio.sleep(0.05)
        found = await asyncio.to_thread(_cursor, database)
        if found is not None:
            entries: Any = client.xrange(keys.FEED, f"({found[0]}", "+", 1)
            seconds, microseconds = client.time()  # type: ignore[misc]
            now = seconds * 1000 + microseconds // 1000
            lags.append(float(now - Position.read(entries[0][0].decode()).at) if entries else 0.0)
    await filling
    return lags


async def _accept(url: str) -> None:
    loop = asyncio.get_running_loop()
    store = Store(connect(load_settings({}), url))
    began = loop.time()
    for number in range(SECONDS * 10):
        share = RATE // 10
        start = number * share
        await fill(url, [((start + place) % REVIEWS, 10 + (start + place) // REVIEWS) for place in range(share)])
        await store.enqueue("drain")
        await asyncio.sleep(max(0.0, began + (number + 1) / 10 - loop.time()))
    await store.close()
