"""`python -m tools.bench.filling`: what may not fill Redis, and what may not block it, at `maxmemory 50mb`.

With the service and a worker on a real Redis: one signed body sent 38,000 times; 1,000 reviews edited 30 times each; a
history of 100,000 changes, made by hand, read with `?at=` and by pages. Exit status 1 if a delivery is refused, if a
read fails, or if Redis is busy with one command for longer than 50 ms.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import redis

from mirror.clock import iso
from mirror.domain.changes import Change, Kind
from mirror.storage import keys
from mirror.storage.embedded import embedded_redis
from mirror.storage.frames import decompress
from tools.bench.processes import environment, process, server
from tools.bench.requests import SIGNER, make_body

LIMIT = 50 << 20
COPIES = 38_000
REVIEWS, EDITS = 1_000, 30
LENGTH = 99_999
START = 1_757_664_000_000
CONNECTIONS = 16
BUSY_MS = 50
TOKEN = "filling"  # noqa: S105 - on loopback, for this run


class Stack:
    """The web process, Redis, and the table so far."""

    def __init__(self, url: str, client: "redis.Redis", session: aiohttp.ClientSession) -> None:
        self.url = url
        self.client = client
        self.session = session
        self.rows: list[tuple[str, str]] = []
        self.broken: list[str] = []
        self._begin()

    def _begin(self) -> None:
        self._started = time.monotonic()
        self._largest = 0.0
        self.client.config_set("slowlog-log-slower-than", 1_000)
        self.client.config_set("slowlog-max-len", 10_000)
        self.client.slowlog_reset()

    def note(self, what: str, found: str) -> None:
        """Add a row to the table, with what Redis tells of the time since the last one."""
        seconds = time.monotonic() - self._started
        slow: Any = self.client.slowlog_get(10_000)
        busy = max((one["duration"] for one in slow), default=0) / 1000
        if busy > BUSY_MS:
            self.broken.append(f"{what}: Redis was busy for {busy:.0f} ms")
        share = self.client.info("memory")["used_memory"] / LIMIT  # type: ignore[index]
        longest = f"{busy:.1f}" if busy else "below 1"
        self.rows.append((what, f"{found} | {seconds:.1f} | {self._largest:.0%}, {share:.0%} | {longest}"))
        sys.stderr.write(f"  {what}: {self.rows[-1][1]}\n")
        self._begin()

    async def send(self, what: str, bodies: Iterable[bytes]) -> None:
        """Post bodies side by side, and wait until all are applied."""
        todo, statuses = iter(bodies), Counter[int]()
        watching = asyncio.create_task(self._watch())
        await asyncio.gather(*(self._send(todo, statuses) for _ in range(CONNECTIONS)))
        while self.client.execute_command("ZCARD", keys.WAITING):  # noqa: ASYNC110 - another process tells
            await asyncio.sleep(0.1)
        watching.cancel()
        if set(statuses) != {200}:
            self.broken.append(f"{what}: {dict(statuses)}")
        self.note(what, ", ".join(f"{count:,} x {status}" for status, count in statuses.items()))

    async def _send(self, todo: Iterable[bytes], statuses: Counter[int]) -> None:
        for body in todo:
            headers = {"X-Partoo-Signature-v1": SIGNER.sign(body), "Content-Type": "application/json"}
            async with self.session.post(f"{self.url}/webhooks/partoo", data=body, headers=headers) as answer:
                statuses[answer.status] += 1

    async def _watch(self) -> None:
        while True:
            used: Any = self.client.info("memory")
            self._largest = max(self._largest, used["used_memory"] / LIMIT)
            await asyncio.sleep(0.1)

    async def read(self, what: str, path: str) -> None:
        began = time.monotonic()
        async with self.session.get(self.url + path, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
            await answer.read()
        if answer.status != 200:  # noqa: PLR2004
            self.broken.append(f"{what}: {answer.status}")
        self.note(what, f"{answer.status} after {time.monotonic() - began:.2f} s")


def make_history(client: "redis.Redis", review_id: int) -> None:
    """Give a mirrored review a history that is rated anew each second."""
    name = keys.changes(review_id)
    record = msgspec.json.decode(decompress(client.get(keys.record(review_id))))  # type: ignore[arg-type]
    entries = [msgspec.json.encode(Change(1, Kind.FIRST_SEEN, START, f"{START:012x}{1:012x}"))]
    for version in range(2, LENGTH + 1):
        at, fields = START + version * 1000, {"rating": (1 + (version - 1) % 5, 1 + version % 5)}
        entries.append(
            msgspec.json.encode(Change(version, Kind.UPDATED, at, f"{at:012x}{version:012x}", fields=fields))
        )
    last = START + LENGTH * 1000
    record |= {"version": LENGTH, "first_seen_at": START, "last_changed_at": last, "last_received_at": last + 1}
    record["review"]["rating"] = 1 + LENGTH % 5
    client.set(keys.record(review_id), msgspec.json.encode(record))
    client.delete(name)
    for begin in range(0, LENGTH, 1_000):
        client.rpush(name, *entries[begin : begin + 1_000])


async def run(stack: Stack) -> None:
    await stack.send("one delivery", [make_body(0)])
    make_history(stack.client, 0)
    stack.note(f"(a history of {LENGTH:,} changes is made)", "")
    for version in (2, LENGTH // 2, LENGTH - 1):
        await stack.read(f"`?at=`, change {version:,} of it", f"/reviews/0?at={iso(START + version * 1000)}")
    for cursor in (3, LENGTH // 2):
        await stack.read(f"a page before change {cursor:,} of it", f"/reviews/0/changes?cursor={cursor}")
    await stack.send("the next change of it, which trims it", [make_body(0, EDITS)])
    length: Any = stack.client.llen(keys.changes(0))
    stack.note("changes left of it", f"{length:,}")

    stack.client.flushdb()
    stack.client.config_set("maxmemory", LIMIT)
    await stack.send(f"one body, {COPIES:,} times", (make_body(0, 0) for _ in range(COPIES)))
    edits = (make_body(one, edit) for edit in range(EDITS) for one in range(REVIEWS))
    await stack.send(f"{REVIEWS:,} reviews edited {EDITS} times", edits)


async def measure() -> Stack:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reviewmirror-filling-")))
        url = stack.enter_context(embedded_redis(str(folder / "redis")))
        variables = environment(url, API_TOKEN=TOKEN)
        web = stack.enter_context(server(["service"], variables, folder / "web.log"))
        stack.enter_context(process(["worker"], variables, folder / "worker.log"))
        with redis.Redis.from_url(url) as client:
            async with aiohttp.ClientSession() as session:
                found = Stack(f"http://127.0.0.1:{web.port}", client, session)
                await run(found)
                return found


def main() -> int:
    argparse.ArgumentParser(prog="python -m tools.bench.filling", description=__doc__).parse_args()
    found = asyncio.run(measure())
    lines = [
        "| what | answers | seconds | memory of Redis: most, at the end | Redis's longest command, ms |",
        "| --- | --- | --- | --- | --- |",
        *(f"| {what} | {row} |" for what, row in found.rows),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    for promise in found.broken:
        sys.stderr.write(f"tools.bench.filling: not so: {promise}\n")
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(main())
