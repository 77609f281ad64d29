"""How long the console's pages take and what they weigh at 100,000 reviews; what people who click cost deliveries."""

import asyncio
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import msgspec
import redis

from mirror.clock import iso, now_ms
from mirror.domain.changes import Source
from mirror.domain.dead_letters import DeadLetter
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.settings import load as load_settings
from mirror.storage import dead_letters, inbox, ratings
from mirror.storage.connection import connect
from mirror.storage.store import Store
from tools.bench.draining import GROUP, changes, fill, wait_until_applied
from tools.bench.processes import Answers, Server, environment, load, process, server
from tools.bench.requests import BUSINESSES, make_body

REVIEWS, ROUNDS = 100_000, 15
PEOPLE, PAUSE_S = 10, 1.0
RATE, SECONDS, SLICES = 500, 5.0, 3
# Reviews of the first business: all vanish, two in five come back; the first has a long history.
VANISHING = [number * BUSINESSES for number in range(REVIEWS // BUSINESSES)]
LONG, CHANGES = 0, 300
TOKEN = "clicking"  # noqa: S105 - on loopback, for this run

Pages = dict[str, str]


def clicking(redis_url: str, folder: Path, requests: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """Time each page alone; then deliveries at RATE a second, in turn without and with PEOPLE who click."""
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    variables = environment(redis_url, API_TOKEN=TOKEN)
    with process(["worker"], variables, folder / "worker.log"):
        asyncio.run(_populate(redis_url, client, tell))
    # Without the worker, which would do the same work at the same time.
    asyncio.run(_rate(redis_url, tell))
    with (
        process(["worker"], variables, folder / "worker.log"),
        server(["service"], variables, folder / "web.log") as web,
    ):
        found: dict[str, Any] = {"pages": asyncio.run(_time_pages(web, tell))}
        load(web.port, requests, 1, "--rate", "50")
        slices: dict[str, list[Answers]] = {"alone": [], "with_people": []}
        for _, (name, answers) in itertools.product(range(SLICES), slices.items()):
            people = PEOPLE if name == "with_people" else 0
            answers.append(asyncio.run(_load(web, requests, people)))
            tell(f"{RATE}/s {name}: {answers[-1].answered_ms}")
    client.flushall()
    client.close()
    found["answered_ms"] = {
        name: {kind: round(median(one.answered_ms[kind] for one in answers), 1) for kind in answers[0].answered_ms}
        for name, answers in slices.items()
    }
    return found


async def _populate(redis_url: str, client: "redis.Redis", tell: Callable[[str], None]) -> None:
    steps = [changes(REVIEWS, REVIEWS), [(LONG, version) for version in range(1, CHANGES)]]
    total = 0
    for step in steps:
        await fill(redis_url, step)
        total += len(step)
        wait_until_applied(client, total)
        tell(f"{total:,} deliveries applied")
    store = Store(connect(load_settings({}), redis_url))
    gone = [make_body(one, _version(one), state="deleted", delete_date=iso(now_ms())) for one in VANISHING]
    back = [make_body(one, _version(one)) for one in VANISHING[: 2 * len(VANISHING) // 5]]
    for bodies in (gone, back):
        await _send(store, bodies)
        total += len(bodies)
        wait_until_applied(client, total)
    for number in range(50):
        delivery_id = make_delivery_id(now_ms(), number)
        letter = DeadLetter(delivery_id, now_ms(), "bad_review", "it has no id", make_body(number))
        await dead_letters.keep(store, letter)
    await store.close()


async def _rate(redis_url: str, tell: Callable[[str], None]) -> None:
    store = Store(connect(load_settings({}), redis_url))
    while not await ratings.catch_up(store, 10):
        pass
    await store.close()
    tell("ratings worked out")


def _version(review_id: int) -> int:
    return CHANGES if review_id == LONG else 0


async def _send(store: Store, bodies: list[bytes]) -> None:
    for start in range(0, len(bodies), GROUP):
        at = now_ms()
        batch = [
            (VANISHING[place], Entry(make_delivery_id(at, place), at, Source.WEBHOOK, body))
            for place, body in enumerate(bodies[start : start + GROUP], start)
        ]
        await inbox.put(store, batch, "deliveries:accepted")


def _pages() -> Pages:
    review: dict[str, Any] = msgspec.json.decode(make_body(LONG))["payload"]["review"]
    business = review["business_id"]
    return {
        "overview": "/console",
        "reviews": "/console/reviews",
        "reviews, the missing ones": "/console/reviews?status=missing",
        "reviews, filters that hide most": f"/console/reviews?status=gone&business_id={business}",
        "a review": f"/console/reviews/{VANISHING[1]}",
        f"a review with {CHANGES} changes": f"/console/reviews/{LONG}",
        "the same, as it was": f"/console/reviews/{LONG}?at={iso(now_ms() - 1_000)}",
        "businesses": "/console/businesses",
        f"a business of {len(VANISHING)} reviews": f"/console/business?business_id={business}&range=24h",
        "its year": f"/console/business?business_id={business}&range=1y",
        "incidents": "/console/incidents",
        "50 dead letters": "/console/dead-letters",
        "endpoints": "/console/endpoints",
        "doctor": "/console/doctor?run=1",
    }


async def _log_in(session: aiohttp.ClientSession, root: str) -> None:
    async with session.post(f"{root}/console/login", data={"token": TOKEN}) as answer:
        answer.raise_for_status()


async def _time_pages(web: Server, tell: Callable[[str], None]) -> dict[str, dict[str, float]]:
    root = f"http://127.0.0.1:{web.port}"
    found: dict[str, dict[str, float]] = {}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        await _log_in(session, root)
        for name, path in _pages().items():
            times, weight = [], 0
            for _ in range(ROUNDS):
                began = time.monotonic()
                async with session.get(root + path) as answer:
                    weight = len(await answer.read())
                times.append(1000 * (time.monotonic() - began))
            found[name] = {
                "ms": round(median(times), 1),
                "at_most_ms": round(max(times), 1),
                "kb": round(weight / 1000, 1),
            }
            tell(f"{name}: {found[name]}")
    return found


async def _load(web: Server, requests: Path, people: int) -> Answers:
    root = f"http://127.0.0.1:{web.port}"
    options = ("--rate", str(RATE), "--connections", "32")
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        await _log_in(session, root)
        clicks = [asyncio.create_task(_click(session, root, number)) for number in range(people)]
        answers = await asyncio.to_thread(load, web.port, requests, SECONDS, *options)
        for task in clicks:
            task.cancel()
        await asyncio.gather(*clicks, return_exceptions=True)
    return answers


async def _click(session: aiohttp.ClientSession, root: str, number: int) -> None:
    """Click through the pages, one a second; each begins at another."""
    paths = [*_pages().values()]
    await asyncio.sleep(number * PAUSE_S / PEOPLE)
    for place in itertools.count(number):
        async with session.get(root + paths[place % len(paths)]) as answer:
            await answer.read()
        await asyncio.sleep(PAUSE_S)
