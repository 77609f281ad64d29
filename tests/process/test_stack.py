"""The deployed stack: real web and worker processes on a real Redis, and what the platform does to them."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import redis

from mirror.domain.inbox import received_at
from mirror.domain.record import Delivery, Record, Windows
from mirror.domain.wire import decode_review
from mirror.settings import Settings
from mirror.storage import inbox, keys, reads
from mirror.storage.connection import connect
from mirror.storage.decoding import decode_record
from mirror.storage.frames import DICTIONARIES
from mirror.storage.store import Store
from tests.mirror.domain.stories import fold
from tests.process import processes
from tests.process.processes import PATIENCE_S, RedisServer
from tests.support import READ, make_body, make_deletion, make_review, signed, wait_until
from tools.dev.stack import free_port

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

REVIEWS = 50
DELIVERIES = 2_000


class Accepted(threading.Thread):
    """Watches the server's MONITOR for what was pushed to the inboxes: the order in which Redis accepted it."""

    _PUSH = re.compile(rb'"RPUSH" "rm:\{(\d+)\}:inbox" "\[\\"([0-9a-f]{24})\\"')

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.order: dict[int, list[tuple[str, int]]] = defaultdict(list)
        self._connection = redis.Connection(port=port, socket_timeout=0.2)
        self._ending = threading.Event()
        self._connection.send_command("MONITOR")
        self._connection.read_response(disable_decoding=True)

    def run(self) -> None:
        while not self._ending.is_set():
            with suppress(redis.TimeoutError):
                line = self._connection.read_response(disable_decoding=True, disconnect_on_error=False)
                if found := self._PUSH.search(line):
                    name = found[2].decode()
                    self.order[int(found[1])].append((name, received_at(name)))

    def end(self) -> None:
        self._ending.set()
        self.join()
        self._connection.disconnect()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with processes.redis_server(tmp_path) as server:
        yield server


async def post(session: aiohttp.ClientSession, url: str, body: bytes) -> dict[str, Any]:
    async with session.post(f"{url}/webhooks/partoo", data=body, headers=signed(body)) as answer:
        return {"http": answer.status, **await answer.json()}


async def get(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with session.get(url, headers=READ) as answer:
        body: dict[str, Any] = await answer.json()
        return body


async def wait_until_applied(store: Store) -> None:
    async def nothing_waits() -> bool:
        return (await inbox.backlog(store)).reviews == 0

    await wait_until(nothing_waits, patience=PATIENCE_S)


def lives(count: int) -> list[bytes]:
    """Make bodies about REVIEWS reviews: edits, deletions, returns and copies, mixed."""
    bodies = []
    for number in range(count):
        review = make_review(
            number % REVIEWS, rating=number * 7 % 5, update_date=f"2025-09-04T10:00:0{number * 3 % 7}Z"
        )
        deleted = number % 3 == 2
        bodies.append(make_body(make_deletion(review, f"2025-09-1{number % 9}T00:00:00Z") if deleted else review))
    return bodies


async def test_two_web_processes_and_two_workers_give_the_records_of_a_straight_fold(
    server: RedisServer, settings: Settings, tmp_path: Path
) -> None:
    sent: dict[str, bytes] = {}
    with (
        processes.service(server.url, tmp_path / "web", WEB_CONCURRENCY="2") as (_, url),
        processes.worker(server.url, tmp_path / "one"),
        processes.worker(server.url, tmp_path / "two"),
    ):
        accepted = Accepted(server.port)
        accepted.start()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=32, force_close=True)) as session:

            async def one(body: bytes) -> None:
                answer = await post(session, url, body)
                assert answer["http"] == 200
                sent[answer["delivery_id"]] = body

            await asyncio.gather(*(one(body) for body in lives(DELIVERIES)))
        store = Store(connect(settings, server.url))
        await wait_until_applied(store)
        accepted.end()

        assert sum(len(order) for order in accepted.order.values()) == DELIVERIES
        for review_id, order in accepted.order.items():
            deliveries = [Delivery(name, at, decode_review(sent[name]).review) for name, at in order]
            decisions = fold(None, deliveries, Windows())
            found = await reads.record_and_changes(store, review_id)
            assert found == (decisions[-1].record, [one.change for one in decisions if one.change is not None])
        await store.close()


async def test_the_third_documented_event_is_a_reappearance_also_after_the_worker_restarted(
    server: RedisServer, tmp_path: Path
) -> None:
    edited, vanished = make_body(make_review()), make_body(make_deletion(make_review()))
    with processes.service(server.url, tmp_path / "web") as (_, url):
        async with aiohttp.ClientSession() as session:

            async def kinds() -> list[str]:
                found = (await get(session, f"{url}/reviews/34/changes")).get("changes", [])
                return [change["kind"] for change in reversed(found)]

            async def kinds_are(*expected: str) -> bool:
                return await kinds() == list(expected)

            with processes.worker(server.url, tmp_path / "one") as first:
                for body in (edited, vanished):
                    await post(session, url, body)
                await wait_until(lambda: kinds_are("first_seen", "vanished"))
                assert first.stop() == 0
            await post(session, url, edited)
            with processes.worker(server.url, tmp_path / "two"):
                await wait_until(lambda: kinds_are("first_seen", "vanished", "reappeared"))


async def test_redis_may_die_and_come_back_under_the_same_processes(server: RedisServer, tmp_path: Path) -> None:
    with (
        processes.service(server.url, tmp_path / "web") as (web, url),
        processes.worker(server.url, tmp_path / "worker") as worker,
    ):
        async with aiohttp.ClientSession() as session:
            assert (await post(session, url, make_body(make_review(1))))["http"] == 200
            server.kill()
            refused = await post(session, url, make_body(make_review(2)))
            assert (refused["http"], refused["error"]["code"]) == (503, "unavailable")
            async with session.get(f"{url}/readyz") as answer:
                assert answer.status == 503
            worker.wait_for("worker.restarting")
            server.start()

            async def is_applied(review_id: int) -> bool:
                return (await get(session, f"{url}/reviews/{review_id}")).get("version") == 1

            async def is_accepted_and_applied() -> bool:
                await post(session, url, make_body(make_review(3)))
                return await is_applied(3)

            await wait_until(is_accepted_and_applied, patience=PATIENCE_S)
            # The worker may have had it claimed when Redis died: then it is its turn again when the claim ends.
            await wait_until(lambda: is_applied(1), patience=PATIENCE_S)
            assert (await get(session, f"{url}/reviews/2"))["error"]["code"] == "review_not_found"
    assert (web.popen.returncode, worker.popen.returncode) == (0, 0)


async def test_a_request_under_way_is_answered_although_the_web_process_is_told_to_stop(
    server: RedisServer, tmp_path: Path
) -> None:
    body = make_body(make_review())
    with processes.service(server.url, tmp_path / "web") as (web, url):
        port = int(url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        headers = {"Host": "localhost", "Content-Length": str(len(body)), "Connection": "close", **signed(body)}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"POST /webhooks/partoo HTTP/1.1\r\n{lines}\r\n".encode() + body[:100])
        await writer.drain()
        await asyncio.sleep(0.3)
        web.popen.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.5)
        writer.write(body[100:])
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200")
        assert web.popen.wait(25) == 0
    client = server.client()
    assert client.llen(keys.inbox(34)) == 1
    client.close()


async def test_a_web_process_killed_between_its_write_and_its_answers_causes_duplicates_that_change_nothing(
    server: RedisServer, settings: Settings, tmp_path: Path
) -> None:
    bodies = [make_body(make_review(review_id)) for review_id in range(8)]
    store = Store(connect(settings, server.url))
    async with aiohttp.ClientSession() as session:

        async def answered(url: str, body: bytes) -> bool:
            try:
                return bool((await post(session, url, body))["http"] == 200)
            except aiohttp.ClientError:
                return False

        variables = processes.environment(server.url, PORT=str(port := free_port()))
        dying = processes.Process(["-m", "tests.process.crashing_service"], variables, tmp_path / "dying")
        dying.wait_for("service.started")
        url = f"http://127.0.0.1:{port}"
        assert not any(await asyncio.gather(*(answered(url, body) for body in bodies)))
        assert dying.popen.wait(PATIENCE_S) == -signal.SIGKILL
        stored = (await inbox.backlog(store)).reviews
        assert stored > 0

        with (
            processes.service(server.url, tmp_path / "web") as (_, url),
            processes.worker(server.url, tmp_path / "worker") as worker,
        ):
            assert all(await asyncio.gather(*(answered(url, body) for body in bodies)))
            await wait_until_applied(store)
            worker.wait_for("review.unchanged", stored)
    for review_id in range(8):
        record = await reads.record(store, review_id)
        assert record is not None
        assert record.version == 1
    await store.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_worker_stops_cleanly_when_told_to(number: signal.Signals, server: RedisServer, tmp_path: Path) -> None:
    with processes.worker(server.url, tmp_path / "worker") as worker:
        client = server.client()
        deadline = time.monotonic() + PATIENCE_S
        while not client.zcard(keys.WORKERS):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert worker.stop(number) == 0
        assert client.zcard(keys.WORKERS) == 0
        assert worker.lines("worker.stopped")
        assert "Traceback" not in worker.output()


def test_a_worker_stops_while_redis_is_away(server: RedisServer, tmp_path: Path) -> None:
    with processes.worker(server.url, tmp_path / "worker") as worker:
        server.kill()
        worker.wait_for("worker.restarting")
        assert worker.stop() == 0


def test_a_web_process_that_dies_is_replaced_and_all_stop_together(server: RedisServer, tmp_path: Path) -> None:
    with processes.service(server.url, tmp_path / "web", WEB_CONCURRENCY="2") as (web, _):
        web.wait_for("service.started", 2)
        children = {int(pid) for pid in Path(f"/proc/{web.pid}/task/{web.pid}/children").read_text().split()}
        assert len(children) == 2
        os.kill(children.pop(), signal.SIGKILL)
        web.wait_for("service.started", 3)
        assert web.stop() == 0
        assert len(web.lines("service.stopped")) == 2


def test_web_processes_stop_cleanly_when_their_terminal_is_closed(server: RedisServer, tmp_path: Path) -> None:
    with processes.service(server.url, tmp_path / "web", WEB_CONCURRENCY="2") as (web, _):
        web.wait_for("service.started", 2)
        assert web.stop(signal.SIGHUP) == 0
        assert len(web.lines("service.stopped")) == 2


def test_two_services_do_not_share_a_port(server: RedisServer, tmp_path: Path) -> None:
    with processes.service(server.url, tmp_path / "web", WEB_CONCURRENCY="2") as (web, url):
        web.wait_for("service.started", 2)
        variables = processes.environment(server.url, WEB_CONCURRENCY="2", PORT=url.rsplit(":", 1)[1])
        with processes.running("service", variables, tmp_path / "second") as second:
            assert second.popen.wait(PATIENCE_S) == 1
            assert [line["event"] for line in second.lines()] == ["service.cannot_listen"]


def test_web_processes_whose_parent_was_killed_stop_by_themselves(server: RedisServer, tmp_path: Path) -> None:
    with processes.service(server.url, tmp_path / "web", WEB_CONCURRENCY="2") as (web, _):
        web.wait_for("service.started", 2)
        web.kill()
        deadline = time.monotonic() + PATIENCE_S
        while len(web.lines("service.stopped")) < 2:
            assert time.monotonic() < deadline, web.output()
            time.sleep(0.05)


def test_a_port_that_is_taken_is_said_in_one_line(server: RedisServer, tmp_path: Path) -> None:
    with processes.service(server.url, tmp_path / "first") as (_, url):
        variables = processes.environment(server.url, PORT=url.rpartition(":")[2])
        with processes.running("service", variables, tmp_path / "second") as second:
            assert second.popen.wait(PATIENCE_S) == 1
            assert [line["event"] for line in second.lines()] == ["service.cannot_listen"]


@pytest.mark.parametrize("module", ["service", "worker"])
def test_a_bad_setting_is_one_line_on_stderr_and_status_2(module: str, tmp_path: Path) -> None:
    variables = processes.environment("redis://127.0.0.1:1", REDELIVERY_WINDOW="soon")
    with processes.running(module, variables, tmp_path / "log") as process:
        assert process.popen.wait(PATIENCE_S) == 2
        (line,) = process.output().splitlines()
        assert line.startswith("reviewmirror: REDELIVERY_WINDOW must be ")


@pytest.mark.parametrize("module", ["service", "worker"])
def test_a_process_explains_itself_and_takes_no_other_argument(module: str) -> None:
    command = [sys.executable, "-m", module]
    shown = subprocess.run([*command, "--help"], capture_output=True, text=True, check=False, timeout=30)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert ".env.example" in shown.stdout
    shown = subprocess.run([*command, "--prot", "80"], capture_output=True, text=True, check=False, timeout=30)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert "unrecognized arguments: --prot" in shown.stderr


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_streams_may_be_closed(closed: str, server: RedisServer) -> None:
    port = free_port()
    variables = processes.environment(server.url, PORT=str(port))
    command = f"exec {sys.executable} -m service {closed}"
    process = subprocess.Popen(["/bin/sh", "-c", command], env=variables, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE_S
    try:
        while not listens(port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.terminate()
        status = process.wait(PATIENCE_S)
    assert status == 0


def test_records_survive_a_restart_of_everything(server: RedisServer, tmp_path: Path) -> None:
    async def story(url: str) -> None:
        async with aiohttp.ClientSession() as session:
            await post(session, url, make_body(make_review()))

            async def is_applied() -> bool:
                return (await get(session, f"{url}/reviews/34")).get("version") == 1

            await wait_until(is_applied)

    async def version(url: str) -> Any:
        async with aiohttp.ClientSession() as session:
            return (await get(session, f"{url}/reviews/34"))["version"]

    with (
        processes.service(server.url, tmp_path / "web") as (_, url),
        processes.worker(server.url, tmp_path / "worker"),
    ):
        asyncio.run(story(url))
    server.kill()
    server.start()
    with processes.service(server.url, tmp_path / "again") as (_, url):
        assert asyncio.run(version(url)) == 1


def test_the_record_is_readable_without_the_mirror(server: RedisServer, tmp_path: Path) -> None:
    """An engineer who has only zstd and the dictionary reads JSON."""
    with (
        processes.service(server.url, tmp_path / "web") as (_, url),
        processes.worker(server.url, tmp_path / "worker") as worker,
    ):

        async def send() -> None:
            async with aiohttp.ClientSession() as session:
                await post(session, url, make_body(make_review()))

        asyncio.run(send())
        worker.wait_for("review.first_seen")
        client = server.client()
        data = client.get(keys.record(34))
        client.close()
    assert isinstance(data, bytes)
    assert isinstance(decode_record(34, data), Record)
    dictionary = zstd.ZstdDict((DICTIONARIES / "1.zstd-dict").read_bytes())
    assert json.loads(zstd.decompress(data, dictionary))["review"] == make_review()
