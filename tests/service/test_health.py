"""`/healthz`: this process. `/readyz`: the mirror as a whole."""

import asyncio
import time
from typing import Any

import pytest

from mirror.clock import iso, now_ms
from mirror.storage import keys, workers
from mirror.storage.store import Store
from tests.conftest import StartService
from tests.service.conftest import OwnRedis
from tests.support import Client, make_body, make_review, send, wait_until

NO_WORKER = "no worker is alive: deliveries are stored, but not applied"
SILENCE = {
    *("last_delivery_at", "silent_since", "reason", "without_delivery_s", "usual_longest_gap_s", "silent_after_s"),
}


async def readiness(service: Client) -> tuple[int, dict[str, Any]]:
    answer = await service.get("/readyz")
    body: dict[str, Any] = await answer.json()
    return answer.status, body


async def test_the_process_is_healthy_also_without_redis(start_service: StartService, dead_url: str) -> None:
    answer = await (await start_service(dead_url)).get("/healthz")
    assert (answer.status, await answer.json()) == (200, {"status": "ok"})


async def test_health_readiness_and_metrics_are_open_without_a_token(start_service: StartService) -> None:
    service = await start_service(API_TOKEN="")
    assert [(await service.get(path)).status for path in ("/healthz", "/readyz", "/metrics")] == [200, 503, 200]


async def test_without_a_worker_the_mirror_is_not_ready(service: Client) -> None:
    status, body = await readiness(service)
    assert status == 503
    error = body.pop("error")
    assert (error["code"], error["message"]) == ("not_ready", NO_WORKER)
    assert abs(body.pop("clock_skew_s")) < 1
    assert set(body.pop("silence")) == SILENCE
    assert body == {
        "status": "not_ready",
        "problems": [NO_WORKER],
        "warnings": [],
        "redis": "ok",
        "workers": 0,
        "worker_heartbeat_age_s": None,
        "waiting_reviews": 0,
        "oldest_waiting_s": 0.0,
    }


@pytest.mark.usefixtures("worker")
async def test_with_a_worker_the_mirror_is_ready(service: Client) -> None:
    async def is_ready() -> bool:
        return (await readiness(service))[0] == 200

    await wait_until(is_ready)
    _, body = await readiness(service)
    assert 0 <= body.pop("worker_heartbeat_age_s") < 6
    assert abs(body.pop("clock_skew_s")) < 1
    assert set(body.pop("silence")) == SILENCE
    assert body == {
        "status": "ready",
        "problems": [],
        "warnings": [],
        "redis": "ok",
        "workers": 1,
        "waiting_reviews": 0,
        "oldest_waiting_s": 0.0,
    }


async def test_a_worker_silent_for_too_long_does_not_count(service: Client, store: Store) -> None:
    await store.redis.zadd(keys.WORKERS, {"a-worker": now_ms() - 30_000})
    status, body = await readiness(service)
    assert (status, body["problems"], body["workers"]) == (503, [NO_WORKER], 0)
    assert 30 <= body["worker_heartbeat_age_s"] < 35


async def test_deliveries_that_stay_away_are_a_warning_unless_partoo_has_nothing_new(
    service: Client, store: Store
) -> None:
    ago = now_ms() - 7_200_000
    await store.redis.execute_command(
        "HSET", keys.SILENCE, "last_at", ago, "since", ago, "reason", "deaf", "usual_gap", 600_000, "limit", 1_500_000
    )
    _, body = await readiness(service)
    assert [warning.split(":")[0] for warning in body["warnings"]] == [
        "no delivery has come for 2 h (usually 10 min at most), although reviews have changed at Partoo"
    ]
    quiet = body["silence"]
    assert (quiet["silent_since"], quiet["reason"], quiet["silent_after_s"]) == (iso(ago), "deaf", 1500)
    assert 7200 <= quiet["without_delivery_s"] < 7260
    await store.redis.execute_command("HSET", keys.SILENCE, "reason", "partoo_quiet")
    await asyncio.sleep(1.1)  # an answer is good for a second
    assert (await readiness(service))[1]["warnings"] == []


async def test_without_redis_the_mirror_is_not_ready(start_service: StartService, dead_url: str) -> None:
    status, body = await readiness(await start_service(dead_url))
    assert status == 503
    assert body.pop("error")["code"] == "not_ready"
    assert body == {
        "status": "not_ready",
        "problems": ["Redis does not answer"],
        "warnings": [],
        "redis": "unavailable",
    }


async def test_deliveries_that_wait_are_told_and_do_no_harm_while_they_are_young(service: Client, store: Store) -> None:
    await workers.beat(store, "a-worker")
    for review_id in (1, 2, 2):
        await send(service, make_body(make_review(review_id)))
    status, body = await readiness(service)
    assert (status, body["waiting_reviews"]) == (200, 2)
    assert 0 <= body["oldest_waiting_s"] < 5


async def test_a_delivery_that_has_waited_for_too_long_makes_the_mirror_not_ready(
    service: Client, store: Store
) -> None:
    await workers.beat(store, "a-worker")
    await store.redis.zadd(keys.WAITING, {"34": now_ms() - 120_000, "35": now_ms()})
    status, body = await readiness(service)
    assert (status, body["waiting_reviews"]) == (503, 2)
    assert body["problems"] == [f"the oldest waiting delivery has waited for {body['oldest_waiting_s']:.0f} s"]
    assert 120 <= body["oldest_waiting_s"] < 125


async def test_a_redis_that_may_evict_or_forget_is_warned_of(start_service: StartService, own_redis: OwnRedis) -> None:
    service = await start_service(own_redis.url)
    assert (await readiness(service))[1]["warnings"] == []
    own_redis.configure("maxmemory-policy", "allkeys-lru")
    own_redis.configure("appendonly", "no")
    eviction, persistence = (await readiness(service))[1]["warnings"]
    assert "maxmemory-policy is allkeys-lru" in eviction
    assert "noeviction" in eviction
    assert "append-only file" in persistence
    own_redis.configure("maxmemory-policy", "noeviction")
    assert (await readiness(service))[1]["warnings"] == [persistence]


async def test_warnings_alone_leave_the_mirror_ready(start_service: StartService, own_redis: OwnRedis) -> None:
    own_redis.configure("appendonly", "no")
    own_redis.client.zadd(keys.WORKERS, {"a-worker": now_ms()})
    status, body = await readiness(await start_service(own_redis.url))
    assert (status, body["status"], len(body["warnings"])) == (200, "ready", 1)


@pytest.mark.parametrize("off_ms", [-5 * 3_600_000, 5 * 3_600_000])
async def test_a_clock_that_is_wrong_makes_nobody_late_or_dead(
    service: Client, store: Store, monkeypatch: pytest.MonkeyPatch, off_ms: int
) -> None:
    right = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: right() + off_ms * 1_000_000)
    await workers.beat(store, "a-worker")
    await send(service, make_body(make_review()))
    status, body = await readiness(service)
    assert (status, body["problems"]) == (200, [])
    assert body["oldest_waiting_s"] < 5
    assert body["worker_heartbeat_age_s"] < 5
