"""Redis Sentinel: the primary is killed, a replica is promoted, and all goes on by itself. Real servers."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from mirror.domain.record import Record
from mirror.settings import Settings
from mirror.storage import inbox, probe, reads
from mirror.storage.connection import connect
from mirror.storage.embedded import find_server
from mirror.storage.store import Store
from tests.conftest import StartService, running_worker
from tests.process.processes import RedisServer
from tests.support import make_body, make_review, make_settings, send, wait_until
from tools.dev.stack import free_port

SERVICE = "reviews"


class Watched:
    """A primary, two replicas and three sentinels that watch them. `password`: of the servers."""

    def __init__(self, folder: Path, running: ExitStack, password: str = "") -> None:
        self._running = running
        self.password = password
        self.servers = [self._start_server(folder / f"server{number}") for number in range(3)]
        primary, *replicas = self.servers
        primary.start("--repl-diskless-sync-delay", "0")
        for replica in replicas:
            replica.start("--replicaof", f"127.0.0.1 {primary.port}")
        for server in self.servers:
            with server.client() as client:
                client.config_set("masterauth", password)
                client.config_set("requirepass", password)
        self.ports = [self._start_sentinel(folder / f"sentinel{number}", primary.port) for number in range(3)]
        credentials = f":{password}@" if password else ""
        addresses = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        self.url = f"redis+sentinel://{credentials}{addresses}/{SERVICE}"

    def _start_server(self, folder: Path) -> RedisServer:
        folder.mkdir()
        server = RedisServer(folder)
        self._running.callback(server.kill)
        return server

    def _start_sentinel(self, folder: Path, port: int) -> int:
        folder.mkdir()
        own = free_port()
        lines = [
            f"port {own}",
            "bind 127.0.0.1",
            f"sentinel monitor {SERVICE} 127.0.0.1 {port} 2",
            f"sentinel down-after-milliseconds {SERVICE} 700",
            f"sentinel failover-timeout {SERVICE} 3000",
            *([f"sentinel auth-pass {SERVICE} {self.password}"] if self.password else []),
        ]
        configuration = folder / "sentinel.conf"
        configuration.write_text("\n".join(lines) + "\n")
        with (folder / "sentinel.log").open("w") as log:
            popen = subprocess.Popen([find_server(), str(configuration), "--sentinel"], stdout=log, cwd=folder)
        self._running.callback(popen.wait)
        self._running.callback(popen.kill)
        return own

    def knows_all(self) -> bool:
        """Tell whether each sentinel knows both replicas, linked, and the two other sentinels."""
        return all(self._knows_all(port) for port in self.ports)

    def _knows_all(self, port: int) -> bool:
        try:
            with redis.Redis(port=port, socket_timeout=2) as client:
                known = client.sentinel_master(SERVICE)
                linked = [one["master-link-status"] for one in client.sentinel_slaves(SERVICE)]
                return bool(known["num-other-sentinels"] == 2 and linked == ["ok", "ok"])
        except redis.RedisError:
            return False


@pytest.fixture
def running() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


async def watched(folder: Path, running: ExitStack, password: str = "") -> Watched:
    found = Watched(folder, running, password)

    async def knows_all() -> bool:
        return found.knows_all()

    await wait_until(knows_all, 40)
    return found


async def test_a_failover_loses_nothing_that_was_acknowledged_and_needs_no_restart(
    tmp_path: Path, running: ExitStack, start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "INTERVAL_S", 0.1)
    servers = await watched(tmp_path, running, "a-password")
    service = await start_service(servers.url, REDIS_WAIT_REPLICAS="1")
    settings: Settings = make_settings()
    acknowledged: list[int] = []
    refused = 0
    async with running_worker(settings, servers.url):
        for number in range(1, 400):
            if number == 100:
                servers.servers[0].kill()
            body = make_body(make_review(number))
            while (await send(service, body)).status != 200:
                refused += 1
                await asyncio.sleep(0.2)
            acknowledged.append(number)
        assert refused  # between the primary's death and the promotion

        store = Store(connect(settings, servers.url))

        async def applied() -> bool:
            return (await inbox.backlog(store)).reviews == 0

        await wait_until(applied, 40)
        found = await reads.records(store, acknowledged)
        assert [one for one, record in zip(acknowledged, found, strict=True) if record is None] == []
        assert {record.version for record in found if isinstance(record, Record)} == {1}
        ready = await service.get("/readyz")
        assert ready.status == 200, await ready.text()
        await store.close()


async def test_sentinels_that_do_not_answer_are_told_as_a_redis_that_does_not() -> None:
    store = Store(connect(make_settings(), f"redis+sentinel://127.0.0.1:{free_port()}/{SERVICE}"))
    found = await probe.try_writing(store)
    assert found is not None
    assert found.problem == "Redis does not answer"
    await store.close()
