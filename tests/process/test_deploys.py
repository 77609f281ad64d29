"""Releases under load, and processes that are told to stop: nothing is refused, nothing is lost."""

import asyncio
import itertools
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from mirror.clock import now_ms
from mirror.domain.changes import Source
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.settings import Settings
from mirror.storage import counters, inbox, reads
from mirror.storage.connection import connect
from mirror.storage.store import Store
from tests.process import processes
from tests.process.processes import PATIENCE_S, Process, RedisServer
from tests.support import make_body, make_review, signed, wait_until

SENDERS = 8
# Leaves the processes that start meanwhile some time of the machine.
PAUSE_S = 0.02


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with processes.redis_server(tmp_path) as server:
        yield server


@pytest.fixture
async def stored(server: RedisServer, settings: Settings) -> AsyncIterator[Store]:
    store = Store(connect(settings, server.url))
    yield store
    await store.close()


class Load:
    """Senders, each one delivery after the other. `urls`: where the platform's router sends new requests now."""

    def __init__(self, *urls: str) -> None:
        self.urls = list(urls)
        self.answers: list[int | str] = []
        self._numbers = itertools.count()
        self._ending = False
        self._sending = asyncio.create_task(self._run())

    async def end(self) -> None:
        """Send no more, and wait for the answers that are still to come."""
        self._ending = True
        await self._sending

    async def _run(self) -> None:
        async with aiohttp.ClientSession() as session:
            await asyncio.gather(*(self._send(session) for _ in range(SENDERS)))

    async def more(self, count: int) -> None:
        """Wait until that many more deliveries are answered."""
        wanted = len(self.answers) + count
        await wait_until(lambda: self._has(wanted), patience=PATIENCE_S)

    async def _has(self, count: int) -> bool:
        return len(self.answers) >= count

    async def _send(self, session: aiohttp.ClientSession) -> None:
        while not self._ending:
            number = next(self._numbers)
            body = make_body(make_review(number % 50, number=number))
            url = self.urls[number % len(self.urls)]
            try:
                async with session.post(f"{url}/webhooks/partoo", data=body, headers=signed(body)) as answer:
                    await answer.read()
                    self.answers.append(answer.status)
            except aiohttp.ClientError as error:
                self.answers.append(repr(error))
            await asyncio.sleep(PAUSE_S)


class SlowRequest:
    """A delivery whose body takes its time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rest: bytes) -> None:
        self._reader = reader
        self._writer = writer
        self._rest = rest

    @classmethod
    async def begin(cls, url: str) -> "SlowRequest":
        body = make_body(make_review(1_000))
        headers = {"Host": "localhost", "Content-Length": str(len(body)), "Connection": "close", **signed(body)}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(f"POST /webhooks/partoo HTTP/1.1\r\n{lines}\r\n".encode() + body[:100])
        await writer.drain()
        return cls(reader, writer, body[100:])

    async def end(self) -> int:
        """Send the rest, and return the status of the answer."""
        self._writer.write(self._rest)
        answer = await asyncio.wait_for(self._reader.read(), PATIENCE_S)
        self._writer.close()
        return int(answer.split()[1])


async def stop_twice(process: Process) -> int:
    """Tell a process to stop, and again a moment later, as platforms and people do; returns its exit status."""
    process.popen.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.1)
    return await asyncio.to_thread(process.stop)


async def test_a_rolling_release_of_web_and_worker_under_load_refuses_nothing_and_loses_nothing(
    server: RedisServer, stored: Store, tmp_path: Path
) -> None:
    """As a platform does it: the new process answers, the router turns to it, the old one is told to stop."""
    with (
        processes.service(server.url, tmp_path / "web-1", WEB_CONCURRENCY="2") as (old_web, old_url),
        processes.worker(server.url, tmp_path / "worker-1") as old_worker,
    ):
        old_web.wait_for("service.started", 2)
        slow = await SlowRequest.begin(old_url)
        load = Load(old_url)
        await load.more(50)
        with (
            processes.service(server.url, tmp_path / "web-2") as (_, new_url),
            processes.worker(server.url, tmp_path / "worker-2"),
        ):
            load.urls = [old_url, new_url]
            await load.more(50)
            load.urls = [new_url]
            stopping = [asyncio.create_task(stop_twice(old)) for old in (old_web, old_worker)]
            await load.more(50)
            load.answers.append(await slow.end())
            assert [await one for one in stopping] == [0, 0]
            await load.end()
            await applied(stored, len(load.answers))
    assert set(load.answers) == {200}
    assert (await counters.read(stored))["deliveries:accepted"] == len(load.answers)
    for log in ("web-1", "web-2", "worker-1", "worker-2"):
        assert "Traceback" not in (tmp_path / log).read_text()


async def applied(store: Store, count: int) -> None:
    """Wait until exactly that many deliveries are applied, and nothing waits."""

    async def all_are() -> bool:
        return (await inbox.backlog(store)).reviews == 0

    await wait_until(all_are, patience=PATIENCE_S)
    counts = await counters.read(store)
    assert sum(number for name, number in counts.items() if name.startswith("decisions:")) == count


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_worker_that_is_told_to_stop_during_a_commit_ends_it_and_tells_of_it(
    moment: str, server: RedisServer, stored: Store, tmp_path: Path
) -> None:
    for number in range(20):
        at = now_ms()
        entry = Entry(make_delivery_id(at, number), at, Source.WEBHOOK, make_body(make_review(number)))
        await inbox.accept(stored, [(number, entry)])
    process = Process(
        ["-m", "tests.process.stopping_worker", moment], processes.environment(server.url), tmp_path / "log"
    )
    assert await asyncio.to_thread(process.popen.wait, PATIENCE_S) == 0, process.output()
    assert process.lines("worker.stopped")
    assert "Traceback" not in process.output()
    await applied(stored, 20)
    assert len(process.lines("review.first_seen")) == 20
    found = [await reads.record(stored, number) for number in range(20)]
    assert [record.version for record in found if record is not None] == [1] * 20
