"""The load: a process of its own that sends prepared requests over keep-alive connections and measures the answers.

`python -m tools.bench.load PORT REQUESTS_FILE --connections N --seconds S [--rate R] [--feed REDIS_URL]` prints JSON.
Without a rate each connection sends its next request when it has its answer, for so many seconds or, with `--once`,
until each request was sent once. With a rate, requests leave at their due times, whatever the answers do, and latency
counts from the due time. `--feed` also measures when each change is visible: its entry in the feed is part of the
commit.
"""

import argparse
import asyncio
import math
import sys
import time
from collections import deque
from pathlib import Path
from typing import cast

import msgspec
import uvloop
from redis.asyncio import Redis

QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
# How long to wait for changes to become visible once everything is sent.
FEED_PATIENCE_S = 5.0


class Load:
    """What the connections share: requests still to send, and what was measured."""

    def __init__(self, requests: list[bytes], most: float) -> None:
        self.requests = requests
        self.most = most
        self.next = 0
        self.latencies: list[float] = []
        self.errors = 0
        self.sent_at: dict[int, float] = {}
        self.idle: deque[Connection] = deque()
        self.overdue: deque[tuple[int, float]] = deque()
        self.closed_loop = True
        self.stopping = False

    def take(self) -> int:
        number = self.next
        self.next += 1
        return number % len(self.requests)


class Connection(asyncio.Protocol):
    def __init__(self, load: Load) -> None:
        self._load = load
        self._buffer = b""
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio.Transport.
        self._transport = cast(asyncio.Transport, transport)
        self._load.idle.append(self)

    def send(self, number: int, due: float) -> None:
        self._due = due
        self._transport.write(self._load.requests[number])

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
        if len(rest) < int(length):
            return
        self._buffer = b""
        load = self._load
        load.latencies.append(time.perf_counter() - self._due)
        if not head.startswith(b"HTTP/1.1 200"):
            load.errors += 1
        self._go_on(load)

    def _go_on(self, load: Load) -> None:
        if load.stopping:
            return
        if load.closed_loop:
            if load.next < load.most:
                self.send(load.take(), time.perf_counter())
        elif load.overdue:
            self.send(*load.overdue.popleft())
        else:
            load.idle.append(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self._load.stopping:
            self._load.errors += 1


async def _connect(load: Load, port: int, connections: int) -> list[asyncio.BaseTransport]:
    loop = asyncio.get_running_loop()
    pairs = [await loop.create_connection(lambda: Connection(load), "127.0.0.1", port) for _ in range(connections)]
    return [transport for transport, _ in pairs]


async def _closed_loop(load: Load, seconds: float) -> float:
    """Send for so many seconds, or until each request that is to be sent at most has its answer."""
    started = time.perf_counter()
    while load.idle:
        load.idle.popleft().send(load.take(), time.perf_counter())
    if load.most == math.inf:
        await asyncio.sleep(seconds)
    while len(load.latencies) < load.most < math.inf and not load.errors:  # noqa: ASYNC110 - it waits for many
        await asyncio.sleep(0.005)
    load.stopping = True
    return time.perf_counter() - started


async def _open_loop(load: Load, rate: float, seconds: float) -> float:
    load.closed_loop = False
    started = time.perf_counter()
    for number in range(int(rate * seconds)):
        due = started + number / rate
        if (ahead := due - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        load.sent_at[number] = due
        if load.idle:
            load.idle.popleft().send(number, due)
        else:
            load.overdue.append((number, due))
    while len(load.latencies) < len(load.sent_at) and not load.errors:  # noqa: ASYNC110 - it waits for many
        await asyncio.sleep(0.01)
    load.stopping = True
    return time.perf_counter() - started


async def _watch(url: str, load: Load, visible: list[float], total: int) -> None:
    """Note when the change of each request, which must be about a review of its own, stands in the feed."""
    redis = Redis.from_url(url)
    last = b"$"
    while len(visible) < total:
        for _, entries in await redis.xread({"rm:feed": last}, count=1000, block=2000):
            now = time.perf_counter()
            for last, fields in entries:  # noqa: B007 - `last` is where the next read goes on
                if (sent := load.sent_at.get(int(fields[b"review_id"]))) is not None:
                    visible.append(now - sent)
    await redis.aclose()


def quantiles(values: list[float]) -> dict[str, float]:
    """Give the quantiles of durations in seconds, in milliseconds."""
    ordered = sorted(values)
    return {
        name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 2)
        for name, share in QUANTILES.items()
        if ordered
    }


async def main(options: argparse.Namespace, requests: list[bytes]) -> None:
    load = Load(requests, len(requests) if options.once else math.inf)
    transports = await _connect(load, options.port, options.connections)
    visible: list[float] = []
    watching = None
    if options.feed:
        total = int(options.rate * options.seconds)
        watching = asyncio.create_task(_watch(options.feed, load, visible, total))
        await asyncio.sleep(0.2)
    cpu = time.process_time()
    taken = await (
        _open_loop(load, options.rate, options.seconds) if options.rate else _closed_loop(load, options.seconds)
    )
    busy = (time.process_time() - cpu) / taken
    if watching is not None:
        await asyncio.wait({watching}, timeout=FEED_PATIENCE_S)
        watching.cancel()
    for transport in transports:
        transport.close()
    result = {
        "per_second": round(len(load.latencies) / taken, 1),
        "answers": len(load.latencies),
        "errors": load.errors,
        "generator_busy": round(busy, 2),
        "answered_ms": quantiles(load.latencies),
        "visible": len(visible),
        "visible_ms": quantiles(visible),
    }
    sys.stdout.write(msgspec.json.encode(result).decode() + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("requests")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--feed")
    arguments = parser.parse_args()
    uvloop.run(main(arguments, msgspec.msgpack.decode(Path(arguments.requests).read_bytes())))
