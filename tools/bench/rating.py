"""How long `GET /ratings` takes, and what memory the web process needs for it.

A business of 10,000 reviews by day over a year, and 100,000 reviews of 1,000 businesses by month. The reviews' tracks
are written as following the feed writes them: one to five points, of which every tenth review vanished for a while.
"""

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import msgspec
import redis

from mirror.domain.feed import BEGINNING
from mirror.domain.lifecycle import Status
from mirror.domain.ratings import Point, Track
from mirror.storage import keys
from mirror.storage.ratings import Progress
from tools.bench.processes import Server, cpu_seconds, environment, peak_mb, server

BUSINESS, ALL = 10_000, 100_000
BUSINESSES = 1_000
DAY = 86_400_000
END = 1_767_225_600_000  # 1 January 2026
YEAR = {"from": "2025-01-01T00:00:00Z", "to": "2025-12-31T00:00:00Z"}
ROUNDS = 7
TOKEN = "rating"  # noqa: S105 - on loopback, for this run


def ratings(redis_url: str, folder: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure the answers of one web process, the first of each kind and the median of those after it."""
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    _fill(client)
    variables = environment(redis_url, API_TOKEN=TOKEN)
    with server(["service"], variables, folder / "web.log") as web:
        found: dict[str, Any] = {"peak_mb_before": peak_mb(web.pid)}
        one = {"business_id": "large", "interval": "day", **YEAR}
        found["business_by_day"] = asyncio.run(_ask(web, one))
        tell(f"a business of {BUSINESS} reviews by day: {found['business_by_day']}")
        every = {"interval": "month", **YEAR}
        found["all_by_month"] = asyncio.run(_ask(web, every))
        tell(f"all {ALL} reviews by month: {found['all_by_month']}")
        found["by_business_by_month"] = asyncio.run(_ask(web, every | {"group_by": "business"}))
        tell(f"all {BUSINESSES} businesses by month: {found['by_business_by_month']}")
        found["peak_mb_after"] = peak_mb(web.pid)
    client.flushall()
    client.close()
    return found


def _fill(client: "redis.Redis") -> None:
    draw = random.Random(17)  # noqa: S311 - the same reviews each time
    encode = msgspec.msgpack.Encoder().encode
    with client.pipeline(transaction=False) as pipe:
        for review_id in range(ALL):
            business = "large" if review_id < BUSINESS else f"business-{review_id % (BUSINESSES - 1)}"
            pipe.execute_command("HSET", keys.ratings(business), review_id, encode(_track(draw)))
            pipe.sadd(keys.RATED_BUSINESSES, business)
            if review_id % 1_000 == 0:
                pipe.execute()
        pipe.set(keys.RATINGS_PROGRESS, msgspec.json.encode(Progress(BEGINNING)))
        pipe.execute()


def _track(draw: random.Random) -> Track:
    at = END - draw.randrange(2 * 365 * DAY)
    rating = draw.randint(1, 5) * 1_000
    points = [Point(at, Status.LIVE, rating)]
    if draw.random() < 0.1:  # noqa: PLR2004 - every tenth
        away = at + draw.randrange(30 * DAY)
        points += [Point(away, Status.MISSING, rating), Point(away + draw.randrange(9 * DAY), Status.LIVE, rating)]
    if draw.random() < 0.1:  # noqa: PLR2004 - every tenth
        points.append(Point(points[-1].at + DAY, Status.LIVE, draw.randint(1, 5) * 1_000))
    return Track("google_my_business", tuple(points))


async def _ask(web: Server, query: dict[str, str]) -> dict[str, float]:
    times, before = [], cpu_seconds(web.pid)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for _ in range(ROUNDS):
            began = time.monotonic()
            async with session.get(f"http://127.0.0.1:{web.port}/ratings", params=query) as answer:
                answer.raise_for_status()
                await answer.read()
            times.append((time.monotonic() - began) * 1000)
    processor_ms = (cpu_seconds(web.pid) - before) / ROUNDS * 1000
    return {"first_ms": round(times[0]), "then_ms": round(median(times[1:])), "processor_ms": round(processor_ms)}
