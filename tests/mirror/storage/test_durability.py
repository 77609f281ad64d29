"""Acknowledged means replicated, and on the disk, where that is asked for. Real servers, one the other's replica."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from mirror.domain.changes import Source
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.storage import durability, inbox, keys, probe
from mirror.storage.connection import connect
from mirror.storage.durability import Durability, NotDurableError
from mirror.storage.store import Store
from tests.conftest import StartService
from tests.process.processes import RedisServer
from tests.support import make_body, make_review, make_settings, send, wait_until

NOW = 1_757_664_000_000

pytestmark = pytest.mark.process  # servers with replicas


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[RedisServer]:
    yield from started(tmp_path / "primary")


@pytest.fixture
def replica(tmp_path: Path, primary: RedisServer) -> Iterator[RedisServer]:
    yield from started(tmp_path / "replica", "--replicaof", f"127.0.0.1 {primary.port}")


def started(folder: Path, *options: str) -> Iterator[RedisServer]:
    folder.mkdir()
    server = RedisServer(folder)
    server.start("--repl-diskless-sync-delay", "0", *options)
    yield server
    if server.popen is not None:
        server.signal(signal.SIGCONT)
    server.kill()


@pytest.fixture
async def store(primary: RedisServer) -> AsyncIterator[Store]:
    store = Store(connect(make_settings(), primary.url), durability=Durability(replicas=1))
    yield store
    await store.close()


async def linked(replica: RedisServer) -> None:
    async def is_up() -> bool:
        with replica.client() as client:
            return bool(client.info("replication").get("master_link_status") == "up")

    await wait_until(is_up)


def entry(number: int) -> Entry:
    return Entry(make_delivery_id(NOW, number), NOW, Source.WEBHOOK, make_body(make_review(number)))


async def test_what_is_acknowledged_the_replica_has(store: Store, primary: RedisServer, replica: RedisServer) -> None:
    await linked(replica)
    for number in range(50):
        await inbox.accept(store, [(number, entry(number))])
        if number == 25:
            await store.redis.script_flush()  # as after a failover: the script is loaded again
    primary.kill()
    with replica.client() as client:
        assert all(client.llen(keys.inbox(number)) == 1 for number in range(50))


async def test_without_a_replica_nothing_is_acknowledged(
    start_service: StartService, primary: RedisServer, replica: RedisServer
) -> None:
    await linked(replica)
    service = await start_service(primary.url, REDIS_WAIT_REPLICAS="1")
    assert (await send(service, make_body(make_review(1)))).status == 200
    replica.signal(signal.SIGSTOP)
    refused = await send(service, make_body(make_review(2)))
    assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
    message = (await refused.json())["error"]["message"]
    assert message == "only 0 of 1 replicas (REDIS_WAIT_REPLICAS) had the write within 1500 ms; try again"
    assert (await send(service, b"not json")).status == 503  # a dead letter is acknowledged as well
    replica.signal(signal.SIGCONT)
    assert (await send(service, make_body(make_review(2)))).status == 200


async def test_a_repeated_write_waits_for_the_first_one_too(
    store: Store, replica: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durability, "WAIT_MS", 300)
    await linked(replica)
    args = [keys.ACCEPTED_TTL_MS, keys.NUDGE_TTL_MS, keys.REVIEW_PREFIX, keys.INBOX_SUFFIX, "n", b"\x92\xa11\xa11"]
    names = [keys.ACCEPTED_PREFIX + "token", keys.WAITING, keys.DUE, keys.NUDGE, keys.COUNTERS]
    replica.signal(signal.SIGSTOP)
    await store.accept(keys=names, args=args)  # on a connection of its own, whose answer is lost
    with pytest.raises(NotDurableError):
        await store.run_durably(store.accept, names, args)
    replica.signal(signal.SIGCONT)
    assert await store.run_durably(store.accept, names, args) == 0
    assert await store.redis.execute_command("LLEN", keys.inbox(1)) == 1


async def test_one_wait_serves_all_that_were_written_together(store: Store, replica: RedisServer) -> None:
    await linked(replica)
    await inbox.accept(store, [(1_000, entry(1_000))])  # loads the script
    before = (await store.redis.info("commandstats")).get("cmdstat_wait", {"calls": 0})["calls"]
    await inbox.accept(store, [(number, entry(number)) for number in range(200)])
    assert (await store.redis.info("commandstats"))["cmdstat_wait"]["calls"] == before + 1


async def test_the_probe_says_that_replicas_are_missing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durability, "WAIT_MS", 50)
    found = await probe.try_writing(store)
    assert found is not None
    assert "only 0 of 1 replicas" in found.problem
    assert "REDIS_WAIT_REPLICAS" in found.remedy


async def test_the_disk_is_waited_for(primary: RedisServer) -> None:
    with primary.client() as client:
        client.config_set("appendfsync", "everysec")
    store = Store(connect(make_settings(), primary.url), durability=Durability(disk=True))
    for number in range(3):
        await inbox.accept(store, [(number, entry(number))])
    assert (await store.redis.info("commandstats"))["cmdstat_waitaof"]["calls"] >= 3
    with primary.client() as client:
        client.config_set("appendonly", "no")
    found = await probe.try_writing(store)
    assert found is not None
    assert "WAITAOF" in found.problem
    assert "appendonly yes" in found.remedy
    await store.close()


async def test_deliveries_that_wait_for_a_replica_do_not_wait_for_each_other(
    start_service: StartService, primary: RedisServer, replica: RedisServer
) -> None:
    await linked(replica)
    service = await start_service(primary.url, REDIS_WAIT_REPLICAS="1")
    answers = await asyncio.gather(*(send(service, make_body(make_review(number))) for number in range(40)))
    assert {answer.status for answer in answers} == {200}
