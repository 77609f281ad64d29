"""`/metrics`: the fleet's numbers, whichever process is asked."""

import asyncio
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Mapping
from itertools import chain

import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from mirror.clock import now_ms
from mirror.domain.feed import BEGINNING
from mirror.domain.outgoing import Endpoint, State
from mirror.storage import endpoints, keys, workers
from mirror.storage.histogram import BOUNDS
from mirror.storage.store import Store
from service.api.fleet_metrics import OUTCOMES
from service.app import make_app
from service.protocol import Runner
from service.server import RUNNER_OPTIONS
from service.webhook import metrics_buffer
from service.webhook.memory_guard import MemoryGuard
from tests.conftest import StartService
from tests.programs import program
from tests.service.support import hang_up, head
from tests.support import (
    WEBHOOK,
    Client,
    make_body,
    make_deletion,
    make_other_event,
    make_review,
    make_settings,
    send,
    wait_until,
)
from worker.deciding import Policy
from worker.drain import Drainer

Samples = Mapping[str, float]
# What moves by itself, or with how fast this machine is.
UNSTEADY = ("_sum", "_bucket", "oldest_waiting_seconds", "clock_skew_seconds")


@pytest.fixture(autouse=True)
def quick_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_buffer, "FLUSH_INTERVAL_S", 0.02)


async def samples(service: Client) -> dict[str, float]:
    """Return every sample by its name, without the prefix, and its labels' values."""
    answer = await service.get("/metrics")
    assert answer.status == 200
    assert answer.content_type == "text/plain"
    return {
        "/".join([sample.name.removeprefix("reviewmirror_"), *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(await answer.text())
        for sample in family.samples
    }


async def samples_once(service: Client, wanted: Samples) -> dict[str, float]:
    """Return the samples once they hold the wanted ones, as counts arrive in Redis a little later."""

    async def arrived() -> dict[str, float] | None:
        found = await samples(service)
        return found if wanted.items() <= found.items() else None

    try:
        result: dict[str, float] = await wait_until(arrived, patience=2)
    except AssertionError:
        found = await samples(service)
        assert {name: found.get(name) for name in wanted} == wanted
        raise
    return result


async def a_small_story(service: Client, store: Store) -> None:
    """Send nine deliveries, one of each outcome and more, and apply the four that were accepted."""
    first = make_review(1, partner="facebook")
    second = make_review(2, partner="tripadvisor")
    for review in (first, first, make_deletion(first), second):
        assert (await send(service, make_body(review))).status == 200
    await send(service, make_other_event())
    await send(service, make_body(first), X_Partoo_Webhook_Tryout="1")
    await send(service, b"not JSON")
    await service.post(WEBHOOK, data=b"{}")
    await send(service, b"", "/webhooks/nowhere")
    await Drainer(store, Policy()).run()


async def test_the_numbers_of_a_small_story_are_right(service: Client, store: Store) -> None:
    await a_small_story(service, store)
    found = await samples_once(
        service,
        {
            "redis_up": 1,
            "redis_takes_deliveries": 1,
            "deliveries_total/accepted": 4,
            "deliveries_total/ignored": 1,
            "deliveries_total/tryout": 1,
            "deliveries_total/dead_letter": 1,
            "deliveries_total/rejected_signature_missing": 1,
            "deliveries_total/rejected_not_found": 1,
            "decisions_total/first_seen": 2,
            "decisions_total/unchanged": 1,
            "decisions_total/vanished": 1,
            "ambiguous_changes_total": 0,
            "reviews/tripadvisor/live": 1,
            "reviews/facebook/missing": 1,
            "reviews/facebook/live": 0,
            "waiting_reviews": 0,
            "oldest_waiting_seconds": 0,
            "dead_letters": 1,
            "workers": 0,
            "acknowledgement_seconds_count": 7,
            "acknowledgement_seconds_bucket/+Inf": 7,
            "apply_seconds_count": 4,
            "apply_seconds_bucket/+Inf": 4,
        },
    )
    counted = ("deliveries_total", "decisions_total")
    assert len([name for name, value in found.items() if name.startswith(counted) and value]) == 9
    for histogram in ("acknowledgement_seconds", "apply_seconds"):
        buckets = [found[f"{histogram}_bucket/{bound}"] for bound in BOUNDS]
        assert buckets == sorted(buckets)
        assert 0 <= found[f"{histogram}_sum"] < 60


async def test_two_service_processes_show_the_same_numbers_of_the_fleet(
    start_service: StartService, store: Store
) -> None:
    one, other = await start_service(), await start_service()
    await a_small_story(one, store)
    await a_small_story(other, store)
    expected = {
        "deliveries_total/accepted": 8.0,
        "deliveries_total/ignored": 2.0,
        "deliveries_total/rejected_not_found": 2.0,
        "deliveries_total/rejected_signature_missing": 2.0,
        "acknowledgement_seconds_count": 14.0,
    }
    shown = [await samples_once(service, expected) for service in (one, other)]
    assert steady(shown[0]) == steady(shown[1])
    assert shown[0]["acknowledgement_seconds_sum"] == shown[1]["acknowledgement_seconds_sum"]


def steady(found: Samples) -> dict[str, float]:
    return {name: value for name, value in found.items() if not any(part in name for part in UNSTEADY)}


async def test_what_waits_and_who_works_is_shown(service: Client, store: Store) -> None:
    await workers.beat(store, "a-worker")
    await workers.beat(store, "another-worker")
    await store.redis.zadd(keys.WAITING, {"34": now_ms() - 90_000, "35": now_ms()})
    found = await samples(service)
    assert (found["workers"], found["waiting_reviews"]) == (2, 2)
    assert 90 <= found["oldest_waiting_seconds"] < 95


async def test_open_questions_and_second_looks_are_shown(service: Client, store: Store) -> None:
    await store.redis.zadd(keys.VERIFY, {"34": 1, "35": 2})
    await store.redis.zadd(keys.SECOND_LOOKS, {"36": 3})
    found = await samples(service)
    assert (found["open_questions"], found["second_looks"]) == (2, 1)


async def test_open_incidents_and_the_reviews_they_hold_are_shown(service: Client, store: Store) -> None:
    for number in range(24):
        await send(service, make_body(make_deletion(make_review(number))))
    await Drainer(store, Policy()).run()
    await send(service, make_body(make_review(0)))
    await Drainer(store, Policy()).run()
    found = await samples(service)
    assert (found["open_incidents"], found["held_reviews"]) == (1, 23)


async def test_an_empty_mirror_shows_zeros(service: Client) -> None:
    found = steady(await samples(service))
    assert {name for name in found if name.startswith("deliveries_total")} == {
        f"deliveries_total/{outcome.replace(':', '_')}" for outcome in OUTCOMES
    }
    assert {name: value for name, value in found.items() if not name.startswith(("deliveries", "decisions"))} == {
        "redis_up": 1,
        "redis_takes_deliveries": 1,
        "ambiguous_changes_total": 0,
        "unproven_changes_total": 0,
        "reviews_by_certainty/proven": 0,
        "reviews_by_certainty/unproven": 0,
        "reviews_by_certainty/ambiguous": 0,
        "acknowledgement_seconds_count": 0,
        "apply_seconds_count": 0,
        "waiting_reviews": 0,
        "dead_letters": 0,
        "open_questions": 0,
        "second_looks": 0,
        "redis_memory_ratio": 0,
        "workers": 0,
        "open_incidents": 0,
        "held_reviews": 0,
        "silence_seconds": 0,
        "silent": 0,
        "refused_requests_total/method": 0,
        "refused_requests_total/path": 0,
        "refused_requests_total/secret": 0,
        "verification_requests_total": 0,
        "verification_results_total/answered": 0,
        "verification_results_total/failed": 0,
        "verification_results_total/omitted": 0,
        "reconciliation_results_total/finished": 0,
        "reconciliation_results_total/given_up": 0,
        "reconciliation_differences_total": 0,
    }


@pytest.mark.process  # promtool
async def test_the_names_and_types_are_what_prometheus_wants(service: Client, store: Store) -> None:
    promtool = program("promtool")
    await a_small_story(service, store)
    await add_endpoint(store)
    await samples_once(service, {"deliveries_total/accepted": 4})
    shown = await (await service.get("/metrics")).read()
    check = await asyncio.create_subprocess_exec(promtool, "check", "metrics", stdin=PIPE, stdout=PIPE, stderr=STDOUT)
    said, _ = await check.communicate(shown)
    assert (check.returncode, said) == (0, b"")


async def add_endpoint(store: Store, state: State = State.ACTIVE) -> None:
    await endpoints.add(
        store, Endpoint(id="ep1", url="https://example.com", secrets=(), created_at=1, state=state), BEGINNING
    )


async def test_it_is_shown_how_endpoints_stand(service: Client, store: Store) -> None:
    await add_endpoint(store, State.DISABLED)
    now = await store.now()
    facts = {"delivered": 7, "failed": 3, "failing_since": now - 90_000}
    await store.redis.execute_command("HSET", keys.endpoint("ep1", "facts"), *chain(*facts.items()))
    await send(service, make_body(make_review()))
    await Drainer(store, Policy()).run()
    found = {name: value for name, value in (await samples(service)).items() if name.startswith("endpoint")}
    assert 90 <= found.pop("endpoint_failing_seconds/ep1") < 95
    assert 0 < found.pop("endpoint_lag_seconds/ep1") < 60
    assert found == {
        "endpoint_state/ep1/active": 0,
        "endpoint_state/ep1/paused": 0,
        "endpoint_state/ep1/disabled": 1,
        "endpoint_state/ep1/cursor_expired": 0,
        "endpoint_deliveries_total/ep1/delivered": 7,
        "endpoint_deliveries_total/ep1/failed": 3,
        "endpoint_parked_events/ep1": 0,
        "endpoint_lag_events/ep1": 1,
    }


async def test_an_odd_partner_does_not_break_the_format(service: Client, store: Store) -> None:
    partner = 'a "partner"\nwith \\ and }é'
    await send(service, make_body(make_review(partner=partner)))
    await Drainer(store, Policy()).run()
    assert (await samples(service))[f"reviews/{partner}/live"] == 1


async def test_nothing_is_shown_of_a_partner_that_no_review_is_at_any_more(service: Client, store: Store) -> None:
    for partner in ("a_former_partner", "facebook"):
        assert (await send(service, make_body(make_review(partner=partner)))).status == 200
        await Drainer(store, Policy()).run()
    found = await samples(service)
    assert found["reviews/facebook/live"] == 1
    assert [name for name in found if "a_former_partner" in name] == []


async def test_without_redis_only_that_is_shown(start_service: StartService, dead_url: str) -> None:
    assert await samples(await start_service(dead_url)) == {"redis_up": 0}


async def test_counts_made_while_redis_was_full_are_not_lost(service: Client, store: Store) -> None:
    await store.redis.config_set("maxmemory", 1)
    try:
        await send(service, make_other_event())
        assert (await send(service, make_body(make_review()))).status == 503
    finally:
        await store.redis.config_set("maxmemory", 0)
    await samples_once(service, {"deliveries_total/ignored": 1})


async def test_deliveries_refused_because_redis_is_full_are_counted(
    service: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Else it may have seen the limit already, and refuse them as nearly full.
    monkeypatch.setattr(MemoryGuard, "check", lambda _pressure: None)
    await store.redis.config_set("maxmemory", 1)
    try:
        for body in (make_body(make_review()), b"not JSON"):
            assert (await send(service, body)).status == 503
    finally:
        await store.redis.config_set("maxmemory", 0)
    await samples_once(service, {"deliveries_total/rejected_unavailable": 2})


async def test_a_body_that_broke_off_is_counted(service: Client, redis_url: str) -> None:
    # aiohttp's test server cancels the handler of a client that has left, as the real one does not.
    runner = Runner(make_app(make_settings(), redis_url), **RUNNER_OPTIONS)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        _, writer = await asyncio.open_connection(*runner.addresses[0])
        writer.write(head(100) + b"{")
        await asyncio.sleep(0.1)
        await hang_up(writer)
        await samples_once(service, {"deliveries_total/rejected_bad_body": 1})
    finally:
        await runner.cleanup()
