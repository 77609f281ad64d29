"""`python -m tools.bench.vanishing [REVIEWS]`: a mirror is filled, and ten whole businesses vanish and come back.

On a real Redis, with the service and two workers. Exit status 1 if a promise fails: one incident for each business,
told once, nothing `gone` while they last although the grace is over, and all of them closed by the returns.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
import redis

from mirror.domain.incidents import DEFAULT_THRESHOLDS
from mirror.domain.lifecycle import Status
from mirror.storage import keys
from mirror.storage.embedded import embedded_redis
from tools.bench.backfill import reconcile
from tools.bench.processes import environment, process, server
from tools.bench.requests import BUSINESSES, SIGNER, make_body

LOST_BUSINESSES = 10
SINGLES = 5
# With a few more in each business than an incident takes.
FEWEST = BUSINESSES * (DEFAULT_THRESHOLDS.reviews + SINGLES)
GRACE_S = 40
TOKEN = "vanishing"  # noqa: S105 - on loopback, for this run
CONNECTIONS = 64
PATIENCE_S = 600.0
DELETED = {"state": "deleted", "delete_date": "2025-09-10T20:15:30.012000+02:00"}


class Stack:
    """What the steps share: the web process, Redis, the workers' logs, and the table so far."""

    def __init__(self, url: str, client: "redis.Redis", logs: list[Path], session: aiohttp.ClientSession) -> None:
        self.url = url
        self.client = client
        self.logs = logs
        self.session = session
        self.rows: list[tuple[str, str, float, int]] = []
        self.broken: list[str] = []
        self._empty = self._memory()

    def note(self, step: str, number: str, seconds: float, reviews: int) -> None:
        self.rows.append((step, number, seconds, (self._memory() - self._empty) // reviews))
        sys.stderr.write(f"  {step}: {number}, {seconds:.1f} s\n")

    def promise(self, what: str, *, held: bool) -> None:
        if not held:
            self.broken.append(what)

    async def get(self, path: str) -> Any:
        async with self.session.get(self.url + path, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
            return await answer.json()

    async def send(self, bodies: Iterable[bytes]) -> None:
        """Post bodies side by side, and return when all are applied."""
        todo = iter(bodies)
        await asyncio.gather(*(self._send(todo) for _ in range(CONNECTIONS)))
        await self.until(lambda: _async(not self.client.execute_command("ZCARD", keys.WAITING)))

    async def _send(self, todo: Iterable[bytes]) -> None:
        for body in todo:
            headers = {"X-Partoo-Signature-v1": SIGNER.sign(body), "Content-Type": "application/json"}
            async with self.session.post(f"{self.url}/webhooks/partoo", data=body, headers=headers) as answer:
                answer.raise_for_status()

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not await condition():
            if time.monotonic() > deadline:
                raise TimeoutError("what is waited for does not come")
            await asyncio.sleep(0.1)

    def count(self, status: Status) -> int:
        return int(self.client.execute_command("ZCARD", keys.index(status, "google_my_business")))

    def told(self, event: str) -> int:
        return sum(log.read_text().count(f'"event":"{event}"') for log in self.logs)

    def _memory(self) -> int:
        return int(self.client.execute_command("INFO", "memory")["used_memory"])


async def _async(value: Any) -> bool:
    return bool(value)


async def run(stack: Stack, redis_url: str, partoo: int, reviews: int) -> None:
    # One business after the other: side by side, in a small mirror, they would be one incident of the partner.
    lost = [one for business in range(LOST_BUSINESSES) for one in range(business, reviews, BUSINESSES)]
    single = [LOST_BUSINESSES + number for number in range(SINGLES)]
    changed = reviews // 2
    version = {one: 1 if one < changed else 0 for one in (*lost, *single)}

    filled = await reconcile(redis_url, partoo)
    await stack.until(lambda: _async(stack.count(Status.LIVE) == reviews))
    stack.note("backfill by `reconcile`", f"{reviews:,} reviews", filled["seconds"], reviews)

    started = time.monotonic()
    await stack.send(make_body(one, 1) for one in range(changed))
    stack.note("ordinary deliveries, applied", f"{changed:,} deliveries", time.monotonic() - started, reviews)

    started = time.monotonic()
    await stack.send(make_body(one, version[one], **DELETED) for one in (*single, *lost))
    stack.note("ten businesses vanish", f"{len(lost):,} reviews", time.monotonic() - started, reviews)
    await _check_open(stack, reviews, len(lost))

    await stack.until(lambda: _async(stack.count(Status.GONE) >= SINGLES))
    stack.promise("nothing is gone but the single absences", held=stack.count(Status.GONE) == SINGLES)
    stack.note("single absences gone, the others held", f"{SINGLES} gone", time.monotonic() - started, reviews)

    started = time.monotonic()
    await stack.send(make_body(one, version[one]) for one in lost)
    stack.note("all of them are back", f"{len(lost):,} reviews", time.monotonic() - started, reviews)
    await stack.until(lambda: _closed(stack))
    await _check_closed(stack, reviews, len(lost))


async def _closed(stack: Stack) -> bool:
    found = (await stack.get("/incidents"))["incidents"]
    return all(one["status"] == "closed" for one in found)


async def _check_open(stack: Stack, reviews: int, lost: int) -> None:
    found = (await stack.get("/incidents"))["incidents"]
    held = sum(one["absences"] for one in found)
    stack.promise("one incident for each business", held=len(found) == LOST_BUSINESSES)
    stack.promise("each business once", held=len({one.get("business_id") for one in found}) == LOST_BUSINESSES)
    stack.promise("every absence of theirs belongs to one", held=held == lost)
    stack.promise("the others are live", held=stack.count(Status.LIVE) == reviews - lost - SINGLES)


async def _check_closed(stack: Stack, reviews: int, lost: int) -> None:
    found = (await stack.get("/incidents"))["incidents"]
    stack.promise("closed by the returns", held=all(one["closed_by"] == "returns" for one in found))
    stack.promise("told once when it opened", held=stack.told("incident.opened") == LOST_BUSINESSES)
    stack.promise("told once when it closed", held=stack.told("incident.closed") == LOST_BUSINESSES)
    overall = (await stack.get("/stats"))["overall"]
    stack.promise("every return is counted", held=overall["returned"] == lost)
    stack.promise("all are live again", held=stack.count(Status.LIVE) == reviews - SINGLES)


async def measure(reviews: int) -> Stack:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reviewmirror-vanishing-")))
        url = stack.enter_context(embedded_redis(str(folder / "redis")))
        variables = environment(url, API_TOKEN=TOKEN, DELETION_GRACE=f"{GRACE_S}s", DELIVERY_RETENTION="0s")
        partoo = ["tools.bench.backfill", str(reviews), "--serve", "{port}"]
        api = stack.enter_context(server(partoo, os.environ, folder / "partoo.log"))
        web = stack.enter_context(server(["service"], variables, folder / "web.log"))
        logs = [folder / f"worker-{number}.log" for number in range(2)]
        for log in logs:
            stack.enter_context(process(["worker"], variables, log))
        async with aiohttp.ClientSession() as session:
            found = Stack(f"http://127.0.0.1:{web.port}", redis.Redis.from_url(url), logs, session)
            await run(found, url, api.port, reviews)
            found.client.close()
            return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.vanishing", description=__doc__)
    parser.add_argument("reviews", type=int, nargs="?", default=100_000, help=f"at least {FEWEST:,} (100,000)")
    reviews = parser.parse_args().reviews
    if reviews < FEWEST:
        parser.error(f"{reviews:,} are too few for incidents in {BUSINESSES} businesses: at least {FEWEST:,}")
    found = asyncio.run(measure(reviews))
    lines = ["| step | how many | seconds | Redis, bytes a review |", "| --- | --- | --- | --- |"]
    lines += [f"| {step} | {number} | {seconds:.1f} | {memory:,} |" for step, number, seconds, memory in found.rows]
    sys.stdout.write("\n".join(lines) + "\n")
    for promise in found.broken:
        sys.stderr.write(f"tools.bench.vanishing: not so: {promise}\n")
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(main())
