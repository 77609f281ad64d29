"""A Redis that answers and takes no writes: `/readyz`, `doctor` and the log say so within seconds, in its own words."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from redis._parsers import BaseParser

from mirror.storage import probe
from mirror.storage.refusals import own_words
from tests.commands import mirror
from tests.conftest import StartService, running_worker
from tests.process import processes
from tests.service.conftest import Log, OwnRedis
from tests.support import Client, make_body, make_review, make_settings, send, wait_until
from tools.dev.stack import free_port

STORED = "deliveries are stored"


@pytest.fixture(autouse=True)
def frequent_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "INTERVAL_S", 0.05)


def user(*rules: str) -> Callable[[OwnRedis], str]:
    """Make a user of the server, and return the URL that names it."""

    def arrange(server: OwnRedis) -> str:
        server.client.execute_command("ACL", "SETUSER", "mirror", "on", ">a-password", *rules)
        return server.url.replace("://", "://mirror:a-password@")

    return arrange


def setting(name: str, value: str | int) -> Callable[[OwnRedis], str]:
    def arrange(server: OwnRedis) -> str:
        server.configure(name, value)
        return server.url

    return arrange


def failed_save(server: OwnRedis) -> str:
    # A folder stands where the snapshot is to go: so it fails for root as well.
    (Path(urlsplit(server.url).path).parent / "dump.rdb" / "full").mkdir(parents=True)
    server.configure("save", "3600 1")
    server.client.bgsave()
    deadline = time.monotonic() + 10
    while server.client.info("persistence")["rdb_last_bgsave_status"] == "ok":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return server.url


def replica(server: OwnRedis) -> str:
    server.client.execute_command("REPLICAOF", "127.0.0.1", 1)
    return server.url


def writable_replica(server: OwnRedis) -> str:
    server.configure("replica-read-only", "no")
    return replica(server)


REFUSALS = [
    pytest.param(failed_save, "MISCONF ", id="failed save"),
    pytest.param(setting("min-replicas-to-write", 1), "NOREPLICAS ", id="too few replicas"),
    pytest.param(setting("maxmemory", 1000), "OOM command not allowed", id="full"),
    pytest.param(replica, "READONLY ", id="replica"),
    pytest.param(writable_replica, "role:slave", id="writable replica"),
    pytest.param(user("~*", "+@all", "-@scripting"), "NOPERM ", id="no scripts"),
    pytest.param(user("~*", "+@all", "-@write"), "Redis's user", id="no writes"),
    pytest.param(user("~rm:*", "+@all"), "NOPERM ", id="no queue"),
    pytest.param(user("~*", "+@all", "-info"), "NOPERM ", id="no INFO"),
]


async def problems(service: Client) -> tuple[int, list[str]]:
    answer = await service.get("/readyz")
    return answer.status, (await answer.json())["problems"]


async def told(log: Log) -> list[dict[str, Any]]:
    return log.lines(lambda line: line["event"] == "redis.failing")


@pytest.mark.parametrize(("arrange", "words"), REFUSALS)
async def test_a_refusal_is_told_by_readyz_the_doctor_and_the_log(
    log: Log, start_service: StartService, own_redis: OwnRedis, arrange: Callable[[OwnRedis], str], words: str
) -> None:
    url = arrange(own_redis)
    service = await start_service(url)
    status, found = await problems(service)
    assert status == 503
    assert words in found[0]
    assert not any(STORED in problem for problem in found)
    assert "reviewmirror_redis_takes_deliveries 1.0" not in await (await service.get("/metrics")).text()
    (line,) = await wait_until(lambda: told(log))
    assert (line["level"], words in line["reason"] + line["remedy"]) == ("error", True)
    for arguments in ((), ("--without-worker",)):
        shown = await asyncio.to_thread(mirror, url, "doctor", *arguments)
        assert shown.returncode == 1
        assert words in shown.stdout
        assert STORED not in shown.stdout


async def test_a_recovery_is_told_once(log: Log, start_service: StartService, own_redis: OwnRedis) -> None:
    service = await start_service(own_redis.url)
    assert (await problems(service))[1] == ["no worker is alive: deliveries are stored, but not applied"]
    for value in (1, 0):
        own_redis.configure("min-replicas-to-write", value)
        await asyncio.sleep(0.5)
    assert (await send(service, make_body(make_review()))).status == 200
    lines = log.lines(lambda line: line["event"].startswith("redis."))
    assert [(line["event"], line["level"]) for line in lines] == [
        ("redis.failing", "error"),
        ("redis.recovered", "info"),
    ]


async def test_the_probe_leaves_nothing_behind(start_service: StartService, own_redis: OwnRedis) -> None:
    await start_service(own_redis.url)
    await asyncio.sleep(0.3)
    assert own_redis.client.keys() == []


async def test_a_worker_tells_of_a_refusal_too(log: Log, own_redis: OwnRedis) -> None:
    own_redis.configure("min-replicas-to-write", 1)

    async with running_worker(make_settings(), own_redis.url):
        await wait_until(lambda: told(log))
        await asyncio.sleep(0.6)
    (line,) = await told(log)
    assert "NOREPLICAS " in line["reason"]


def take_all_slots(server: processes.RedisServer) -> None:
    deadline = time.monotonic() + 10
    with server.client() as client:
        client.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
        while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.mark.process
@pytest.mark.parametrize(("slots", "words"), [(False, "CLUSTERDOWN "), (True, "CROSSSLOT ")])
async def test_a_server_in_cluster_mode_is_named(
    start_service: StartService, tmp_path: Path, *, slots: bool, words: str
) -> None:
    server = processes.RedisServer(tmp_path)
    # By default the cluster's port is 10,000 above the other, where there may be none.
    server.start("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    try:
        if slots:
            take_all_slots(server)
        status, found = await problems(await start_service(server.url))
        shown = await asyncio.to_thread(mirror, server.url, "doctor", "--without-worker")
    finally:
        server.kill()
    assert (status, words in found[0]) == (503, True)
    assert (shown.returncode, words in shown.stdout) == (1, True)


@pytest.mark.parametrize(("given", "words"), [("", "NOAUTH "), (":wrong@", "WRONGPASS ")])
async def test_a_password_that_is_missing_or_wrong_is_told_from_a_server_that_is_away(
    start_service: StartService, own_redis: OwnRedis, given: str, words: str
) -> None:
    own_redis.configure("requirepass", "right")
    own_redis.client.execute_command("AUTH", "right")
    status, found = await problems(await start_service(own_redis.url.replace("://", f"://{given}")))
    assert (status, words in found[0]) == (503, True)
    assert "wrong@" not in found[0]


async def test_too_many_clients_are_told_in_words(start_service: StartService, own_redis: OwnRedis) -> None:
    own_redis.configure("maxclients", 1)
    status, found = await problems(await start_service(own_redis.url))
    assert (status, "max number of clients reached" in found[0]) == (503, True)
    shown = await asyncio.to_thread(mirror, own_redis.url, "doctor")
    assert (shown.returncode, "max number of clients reached" in shown.stdout) == (1, True)


async def test_a_hung_redis_holds_up_nobody_who_asks_the_probe(
    start_service: StartService, hung_redis: OwnRedis
) -> None:
    service = await start_service(hung_redis.url)
    hung_redis.hang()
    started = time.monotonic()
    status, found = await problems(service)
    assert (status, found) == (503, ["Redis does not answer"])
    assert time.monotonic() - started < 6
    hung_redis.resume()

    async def stores_again() -> bool:
        return (await send(service, make_body(make_review()))).status == 200

    await wait_until(stores_again)


@pytest.mark.parametrize(
    "words",
    [
        "LOADING Redis is loading the dataset in memory",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "READONLY You can't write against a read only replica.",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "WRONGPASS invalid username-password pair or user is disabled.",
        "NOAUTH Authentication required.",
        "NOPERM this user has no permissions to run the 'evalsha' command",
        "MOVED 3999 127.0.0.1:6381",
        "ERR max number of clients reached",
        "BUSY Redis is busy running a script.",
    ],
)
@pytest.mark.parametrize(
    "wrapped",
    [
        "{}",
        "{} script: " + "0a" * 20 + ", on @user_script:9.",
        "Error running script (call to f_" + "0a" * 20 + "): @user_script:9: @user_script: 9: -{}",
    ],
)
def test_its_words_are_what_redis_sent_whatever_the_client_or_a_script_made_of_it(words: str, wrapped: str) -> None:
    if wrapped == "{}" or words[0] in "OMR":
        assert own_words(BaseParser.parse_error(wrapped.format(words))) == words


def test_what_is_no_answer_of_redis_has_no_words() -> None:
    assert own_words(ConnectionRefusedError("refused")) is None
    assert own_words(msgspec.DecodeError("what a server of another kind answers")) is None
