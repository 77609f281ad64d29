"""The daily reconciliation by the workers."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from mirror.domain.record import DEFAULT_WINDOWS
from mirror.partoo.api import PartooApi, Patience
from mirror.partoo.limiter import Limiter
from mirror.settings import Settings
from mirror.storage import reconciliation
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.store import Store
from tests.conftest import running_worker
from tests.mirror.reconciliation.support import QUICK, RATE, Partoo, StartPartoo, drain, mirrored, record, reviews
from tests.support import make_settings, wait_until
from worker.jobs import cron_jobs
from worker.reconciliation import MAX_RUN_S, SPREAD_S, Reconciler


async def run_job(
    store: Store, partoo: Partoo, patience: Patience = QUICK, *, last_try: bool = False, max_run_s: float = MAX_RUN_S
) -> bool:
    async with aiohttp.ClientSession() as session:
        api = PartooApi(session, partoo.url, "k", Limiter(store, RATE), patience)
        return await Reconciler(store, api, DEFAULT_WINDOWS, max_run_s).run(last_try=last_try)


def variables(partoo: Partoo) -> dict[str, str]:
    return {"PARTOO_API_URL": partoo.url, "PARTOO_API_KEY": "k", "PARTOO_API_RATE": str(RATE)}


async def test_a_queued_reconciliation_is_run_and_applied_by_a_worker(
    store: Store, redis_url: str, start_partoo: StartPartoo
) -> None:
    partoo = await start_partoo(*reviews(35))

    async def applied() -> bool:
        return int(await store.redis.zcard("rm:index:live:google_my_business")) == 35

    async with running_worker(make_settings(**variables(partoo)), redis_url):
        await store.redis.enqueue_job("reconcile")
        await wait_until(applied)


async def test_without_a_key_nothing_is_planned(store: Store, redis_url: str, settings: Settings) -> None:
    async def ended() -> bool:
        return not await store.redis.exists("arq:job:a", "arq:job:b")

    async with running_worker(settings, redis_url):
        await store.redis.enqueue_job("cron:plan_reconciliation", _job_id="a")
        await store.redis.enqueue_job("reconcile", _job_id="b")
        await wait_until(ended)
    assert await store.redis.keys("rm:reconciliation*") == []


def test_it_is_planned_once_a_day_after_partoo_has_fetched_everything() -> None:
    [job] = [job for job in cron_jobs() if job.name == "cron:plan_reconciliation"]
    job.calculate_next(datetime(2025, 9, 10, 21, 0, 1, tzinfo=UTC))
    assert job.next_run is not None
    assert job.next_run.replace(microsecond=0) == datetime(2025, 9, 11, 21, tzinfo=UTC)


async def test_it_is_planned_once_for_the_fleet_within_an_hour(store: Store, start_partoo: StartPartoo) -> None:
    partoo = await start_partoo()
    async with aiohttp.ClientSession() as session:
        api = PartooApi(session, partoo.url, "k", Limiter(store, RATE))
        for _ in range(3):
            await Reconciler(store, api, DEFAULT_WINDOWS).plan()
    [(_, due)] = await store.redis.zrange("arq:queue", 0, -1, withscores=True)
    now = datetime.now(UTC).timestamp()
    assert now - 1 <= due / 1000 <= now + SPREAD_S + 1


async def test_a_plan_of_which_no_job_came_is_made_again(
    store: Store, start_partoo: StartPartoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    partoo = await start_partoo()

    async def fail(*_arguments: Any, **_options: Any) -> None:
        raise StorageUnavailableError

    async with aiohttp.ClientSession() as session:
        reconciler = Reconciler(store, PartooApi(session, partoo.url, "k", Limiter(store, RATE)), DEFAULT_WINDOWS)
        with monkeypatch.context() as broken:
            broken.setattr(store.redis, "enqueue_job", fail)
            with pytest.raises(StorageUnavailableError):
                await reconciler.plan()
        await reconciler.plan()
    assert await store.redis.zcard("arq:queue") == 1


async def test_a_job_whose_time_is_up_leaves_the_rest_to_the_next(store: Store, start_partoo: StartPartoo) -> None:
    partoo = await start_partoo(*reviews(65))
    partoo.hangs_after = 2
    with capture_logs() as logs:
        assert await run_job(store, partoo, Patience(timeout_s=5), max_run_s=0.3)
        assert await store.redis.zcard("arq:queue") == 2  # the next job, and a nudge to drain
        partoo.hangs_after = None
        assert await run_job(store, partoo)
    events = [line["event"] for line in logs if line["event"] not in {"reconciliation.differs", "reconciliation.page"}]
    assert events == [
        "reconciliation.listing",
        "reconciliation.paused",
        "reconciliation.resumed",
        "reconciliation.listing",
        "reconciliation.listing",
        "reconciliation.finished",
    ]
    assert next(line for line in logs if line["event"] == "reconciliation.finished")["first_seen"] == 65


async def test_a_stopping_worker_ends_its_run_at_once(store: Store, start_partoo: StartPartoo) -> None:
    partoo = await start_partoo(*reviews(65))
    partoo.hangs_after = 1
    async with aiohttp.ClientSession() as session:
        api = PartooApi(session, partoo.url, "k", Limiter(store, RATE))
        reconciler = Reconciler(store, api, DEFAULT_WINDOWS)
        running = asyncio.create_task(reconciler.run())

        async def hangs() -> bool:
            return len(partoo.queries) > 1

        await wait_until(hangs)
        reconciler.stop()
        assert await asyncio.wait_for(running, 2)


async def test_what_cannot_be_asked_is_tried_again_and_given_up_in_the_end(
    store: Store, start_partoo: StartPartoo
) -> None:
    partoo = await start_partoo(*reviews(2), failing=1.0)
    hurried = Patience(attempts=2, first_wait_s=0.001)
    with capture_logs() as logs:
        assert not await run_job(store, partoo, hurried)
        assert await run_job(store, partoo, hurried, last_try=True)
    told = [(line["event"], line["log_level"]) for line in logs if "error" in line]
    assert told == [
        ("reconciliation.page_failed", "warning"),
        ("reconciliation.failed", "warning"),
        ("reconciliation.page_failed", "warning"),
        ("reconciliation.given_up", "error"),
    ]


async def test_the_log_tells_ids_and_names_of_fields_and_nothing_personal(
    store: Store, start_partoo: StartPartoo
) -> None:
    there = reviews(3, author_name="Castorche", content="Magasin")
    await mirrored(store, *there)
    partoo = await start_partoo({**there[0], "content": "Un secret"}, there[1])
    with capture_logs() as logs:
        await run_job(store, partoo)
    [told] = [line for line in logs if line["event"] == "reconciliation.differs" and line["review_id"] == 1]
    assert (told["outcome"], told["changed"]) == ("updated", ("content",))
    assert "Castorche" not in str(logs)
    assert "secret" not in str(logs)
    await drain(store)
    assert (await record(store, 3)).ambiguous


async def test_a_job_that_finds_another_at_work_leaves_it_alone(store: Store, start_partoo: StartPartoo) -> None:
    partoo = await start_partoo(*reviews(2))
    with capture_logs() as logs:
        async with reconciliation.alone(store):
            assert await run_job(store, partoo)
    assert [line["event"] for line in logs] == ["reconciliation.busy"]
    assert partoo.queries == []
