"""`doctor` on servers that tell little, and on such as have replicas. Real servers."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from mirror.cli.doctor_server import check_disk
from mirror.storage.server import Memory, Server
from tests.commands import mirror
from tests.process.processes import RedisServer
from tests.support import make_settings, wait_until

pytestmark = pytest.mark.process  # servers of its own


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[RedisServer]]:
    found = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        found.append(RedisServer(tmp_path / name))
    yield found
    for server in found:
        server.kill()


def doctor(server: RedisServer, **variables: str) -> str:
    return mirror(server.url, "doctor", "--without-worker", **variables).stdout


async def test_a_server_that_forbids_config_is_examined_all_the_same(servers: list[RedisServer]) -> None:
    servers[0].start("--rename-command", "CONFIG", "")
    shown = doctor(servers[0])
    assert "ok    eviction policy: noeviction\n" in shown
    assert "ok    persistence: append-only file on\n" in shown
    assert "ok    replicas: 0 in reach; no 200 waits for one\n" in shown
    assert "ok    deliveries: Redis takes what they need\n" in shown
    assert "10000 allowed; " in shown


async def test_replicas_are_counted_and_compared_with_what_a_200_waits_for(servers: list[RedisServer]) -> None:
    primary, replica = servers
    primary.start("--repl-diskless-sync-delay", "0")
    replica.start("--replicaof", f"127.0.0.1 {primary.port}")

    async def online() -> bool:
        with primary.client() as client:
            return bool(client.info("replication").get("slave0", {}).get("state") == "online")

    await wait_until(online)
    assert "ok    replicas: 1 in reach, behind by up to " in doctor(primary, REDIS_WAIT_REPLICAS="1")
    short = doctor(primary, REDIS_WAIT_REPLICAS="2")
    assert "fail  replicas: 1 in reach" in short
    assert "but a 200 waits for 2: deliveries are refused (503)\n      → bring replicas back" in short


UNTOLD = Server(
    name="Redis",
    version="",
    redis_version="",
    eviction_policy=None,
    append_only_file=None,
    memory=Memory(0, 0),
    max_clients=None,
    connected_clients=1,
    is_replica=False,
)


def test_what_redis_wait_disk_needs_is_told() -> None:
    waiting = make_settings(REDIS_WAIT_DISK="on")
    without = msgspec.structs.replace(UNTOLD, append_only_file=False)
    assert check_disk(UNTOLD, (7, 2), make_settings()) == []
    assert [check.state for check in check_disk(UNTOLD, (7, 2), waiting)] == ["ok"]
    assert [check.state for check in check_disk(UNTOLD, (7, 0), waiting)] == ["fail"]
    assert [check.state for check in check_disk(without, (9, 1), waiting)] == ["fail"]
