"""A Redis that is nearly full: new deliveries are refused while there is still room for the workers."""

import asyncio
import random
from collections import Counter

import pytest
from aiohttp import ClientResponse

from mirror.storage import server
from mirror.storage.connection import connect
from mirror.storage.store import Store
from service.webhook import memory_guard
from service.webhook.memory_guard import HIGH_WATER, LOW_WATER, MemoryGuard
from tests.conftest import StartService, running_worker
from tests.service.conftest import OwnRedis
from tests.service.support import error_of
from tests.support import Client, make_body, make_other_event, make_review, make_settings, send, wait_until

BODY = make_body(make_review())
# Text that does not compress.
LARGE = make_body(make_review(content=random.Random(34).randbytes(50_000).hex()))  # noqa: S311 - reproducible on purpose
BETWEEN = (LOW_WATER + HIGH_WATER) / 2


@pytest.fixture
def quick_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_guard, "SAMPLE_INTERVAL_S", 0.05)
    monkeypatch.setattr(memory_guard, "SOONEST_SAMPLE_S", 0.01)


@pytest.fixture
def filled_redis(own_redis: OwnRedis) -> OwnRedis:
    """A Redis that holds something, so that what connections and scripts take is little beside it."""
    own_redis.client.setrange("ballast", 30_000_000, "x")
    return own_redis


def limit(own: OwnRedis, share: float) -> None:
    """Set the limit so that this share of it is used now."""
    own.configure("maxmemory", int(own.client.info("memory")["used_memory"] / share))


async def status_once(client: Client, wanted: int, body: bytes = BODY) -> ClientResponse:
    """Send until the answer has the status wanted: samples are taken now and then."""

    async def answered() -> ClientResponse | None:
        answer = await send(client, body)
        return answer if answer.status == wanted else None

    found: ClientResponse = await wait_until(answered)
    return found


@pytest.mark.usefixtures("quick_samples")
async def test_new_deliveries_are_refused_past_the_mark_and_accepted_again_by_itself(
    start_service: StartService, filled_redis: OwnRedis
) -> None:
    service = await start_service(filled_redis.url)
    assert (await send(service, BODY)).status == 200
    limit(filled_redis, 0.95)
    refused = await status_once(service, 503)
    assert await error_of(refused) == (503, "nearly_full")
    assert refused.headers["Retry-After"] == "5"
    assert await error_of(await send(service, b"not JSON")) == (503, "nearly_full")
    assert (await send(service, make_other_event())).status == 200
    filled_redis.configure("maxmemory", 0)
    await status_once(service, 200)


@pytest.mark.usefixtures("quick_samples")
async def test_readiness_and_metrics_say_that_it_is_the_memory(
    start_service: StartService, filled_redis: OwnRedis
) -> None:
    service = await start_service(filled_redis.url)
    limit(filled_redis, 0.95)
    await status_once(service, 503)
    answer = await service.get("/readyz")
    problems = (await answer.json())["problems"]
    assert answer.status == 503
    assert problems[0].startswith("Redis is nearly full (")
    (share,) = [
        float(line.split()[1])
        for line in (await (await service.get("/metrics")).text()).splitlines()
        if line.startswith("reviewmirror_redis_memory_ratio ")
    ]
    assert 0.9 < share < 1
    filled_redis.configure("maxmemory", 0)
    await status_once(service, 200)
    assert not any("full" in problem for problem in (await (await service.get("/readyz")).json())["problems"])


def test_between_the_marks_it_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = MemoryGuard(Store(connect(make_settings(), "redis://127.0.0.1:1")))
    seen = []
    for share in (BETWEEN, 0.95, BETWEEN, 0.8, BETWEEN, 0.95):
        monkeypatch.setattr(asked, "_memory", server.Memory(int(share * 1_000_000), 1_000_000))
        asked.stored(0)
        seen.append(asked.high)
    assert seen == [False, True, True, False, False, True]


def test_without_a_limit_nothing_is_refused() -> None:
    asked = MemoryGuard(Store(connect(make_settings(), "redis://127.0.0.1:1")))
    asked.stored(10**12)
    assert not asked.high


async def test_a_burst_between_two_samples_does_not_pass_the_limit(
    start_service: StartService, filled_redis: OwnRedis
) -> None:
    filled_redis.configure("maxmemory", int(filled_redis.client.info("memory")["used_memory"]) + 4_000_000)
    service = await start_service(filled_redis.url)
    assert (await send(service, LARGE)).status == 200
    statuses = [(await send(service, LARGE)).status for _ in range(100)]
    assert statuses[-1] == 503
    assert statuses == sorted(statuses)
    memory = filled_redis.client.info("memory")
    assert memory["used_memory"] < memory["maxmemory"]


@pytest.mark.usefixtures("quick_samples")
async def test_a_backlog_that_fills_redis_is_applied_and_then_deliveries_are_accepted_again(
    start_service: StartService, filled_redis: OwnRedis
) -> None:
    filled_redis.configure("maxmemory", int(filled_redis.client.info("memory")["used_memory"]) + 8_000_000)
    service = await start_service(filled_redis.url)
    await status_once(service, 503, LARGE)
    async with running_worker(make_settings(), filled_redis.url):
        await status_once(service, 200)


async def test_even_at_the_limit_a_worker_applies_what_waits(
    start_service: StartService, filled_redis: OwnRedis
) -> None:
    service = await start_service(filled_redis.url)
    for number in range(20):
        assert (await send(service, make_body(make_review(number)))).status == 200
    filled_redis.configure("maxmemory", 1)

    async def nothing_waits() -> bool:
        return not filled_redis.client.zcard("rm:waiting")

    async with running_worker(make_settings(), filled_redis.url):
        await wait_until(nothing_waits)
        filled_redis.configure("maxmemory", 0)
    assert len(filled_redis.client.keys("rm:{*}:record")) == 20


def scarce_redis(own: OwnRedis, room: int) -> None:
    own.configure("maxmemory", int(own.client.info("memory")["used_memory"]) + room)


async def statuses_of(service: Client, bodies: list[bytes], at_once: int = 8) -> Counter[int]:
    """Send signed bodies, a few at a time, and count the answers by their status."""
    waiting, found = iter(bodies), Counter[int]()

    async def send_some() -> None:
        for body in waiting:
            found[(await send(service, body)).status] += 1

    await asyncio.gather(*(send_some() for _ in range(at_once)))
    return found


@pytest.mark.usefixtures("quick_samples")
async def test_one_body_sent_over_and_over_keeps_no_delivery_out(
    start_service: StartService, own_redis: OwnRedis
) -> None:
    service = await start_service(own_redis.url)
    body = make_body(make_review(content="c" * 4_000))
    async with running_worker(make_settings(), own_redis.url):
        assert (await send(service, body)).status == 200
        scarce_redis(own_redis, 3_000_000)
        assert await statuses_of(service, [body] * 1_500) == {200: 1_500}
        assert await nothing_waits(own_redis)
    assert own_redis.client.llen("rm:{34}:deliveries") <= 2


@pytest.mark.usefixtures("quick_samples")
async def test_raw_deliveries_of_honest_edits_keep_no_delivery_out(
    start_service: StartService, own_redis: OwnRedis
) -> None:
    service = await start_service(own_redis.url)
    edits = [
        make_body(make_review(number, rating=1 + edit % 5, content="c" * 4_000))
        for edit in range(20)
        for number in range(100)
    ]
    async with running_worker(make_settings(), own_redis.url):
        scarce_redis(own_redis, 5_000_000)
        assert await statuses_of(service, edits) == {200: len(edits)}
        assert await nothing_waits(own_redis)
    assert len(own_redis.client.keys("rm:{*}:record")) == 100


@pytest.mark.usefixtures("quick_samples")
@pytest.mark.parametrize("listed", [True, False])
async def test_raw_deliveries_kept_before_make_room_though_no_worker_runs_and_none_are_kept_any_more(
    start_service: StartService, own_redis: OwnRedis, *, listed: bool
) -> None:
    service = await start_service(own_redis.url, DELIVERY_RETENTION="0s")
    for number in range(200):
        own_redis.client.rpush(f"rm:{{{number}}}:deliveries", "d" * 30_000)
        if listed:
            own_redis.client.zadd("rm:kept", {str(number): number})
    limit(own_redis, 1.02)
    await status_once(service, 200)
    memory = own_redis.client.info("memory")
    assert memory["used_memory"] < LOW_WATER * memory["maxmemory"]


async def nothing_waits(own: OwnRedis) -> bool:
    async def nothing_left() -> bool:
        return not own.client.zcard("rm:waiting")

    return bool(await wait_until(nothing_left))
