"""Histories are trimmed in Redis by a job, and read on as if nothing had happened."""

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from mirror.clock import iso, now_ms
from mirror.storage import keys, reads, trimming
from mirror.storage.store import Store
from tests.commands import mirror as run
from tests.corrupt import BAD_RECORDS
from tests.mirror.mirrored import DAY, HOUR, mirror
from tests.support import READ, Client, make_review
from tests.worker.support import job_context
from worker import trimming as job
from worker.jobs import trim_histories

FIRST = make_review()
SECOND = FIRST | {"rating": 1, "update_date": "2025-09-05T00:00:00Z"}
THIRD = SECOND | {"rating": 5, "update_date": "2025-09-06T00:00:00Z"}
FOURTH = THIRD | {"rating": 4, "update_date": "2025-09-07T00:00:00Z"}


async def story(store: Store, review_id: int = 34) -> None:
    for days, review in ((30, FIRST), (20, SECOND), (10, THIRD), (1, FOURTH)):
        await mirror(store, review | {"id": review_id}, ago=days * DAY, retention=0)


async def trim(store: Store, retention: int = 5 * DAY) -> None:
    await trim_histories(job_context(store, retention=retention))


async def versions(store: Store, review_id: int = 34) -> list[int]:
    found = await reads.record_and_changes(store, review_id)
    assert found is not None
    return [change.version for change in found[1]]


async def test_what_is_older_is_trimmed_and_what_is_newer_stays(store: Store) -> None:
    await story(store)
    await trim(store)
    assert await versions(store) == [3, 4]
    await mirror(store, FIRST | {"update_date": "2025-09-09T00:00:00Z"})
    assert await versions(store) == [3, 4, 5]
    assert [change.version for change in await reads.changes_page(store, 34, None, 2)] == [4, 5]
    assert [change.version for change in await reads.changes_page(store, 34, 5, 1)] == [4]
    assert [change.version for change in await reads.changes_page(store, 34, 4, 9)] == [3]
    assert await reads.changes_page(store, 34, 3, 9) == []


async def test_by_default_everything_is_kept(store: Store) -> None:
    await story(store)
    await trim(store, 0)
    assert await versions(store) == [1, 2, 3, 4]


async def test_a_cut_that_was_overtaken_does_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await story(store)
    script = store.trim

    async def overtaken(**arguments: Any) -> int:
        await store.redis.execute_command("LPOP", keys.changes(34))
        answer: int = await script(**arguments)
        return answer

    monkeypatch.setattr(store, "trim", overtaken)
    assert await trimming.trim(store, 34, now_ms() - 5 * DAY) == 0
    assert await store.redis.execute_command("LLEN", keys.changes(34)) == 3


@pytest.mark.parametrize("name", BAD_RECORDS)
async def test_a_review_that_cannot_be_read_holds_up_no_other_and_keeps_its_history(store: Store, name: str) -> None:
    await story(store, 2)
    await story(store, 34)
    await store.redis.set(keys.record(34), BAD_RECORDS[name])
    with capture_logs() as lines:
        await trim(store)
    assert await versions(store, 2) == [3, 4]
    assert await store.redis.execute_command("LLEN", keys.changes(34)) == 4
    assert [line["review_id"] for line in lines if line["event"] == "history.trim_failed"] == [34]


@pytest.mark.parametrize("entry", [b"no change", b'{"kind":"\xff"}', b"[" * 100_000])
async def test_a_history_that_cannot_be_read_holds_up_no_other(store: Store, entry: bytes) -> None:
    for review_id in (1, 2, 3):
        await story(store, review_id)
    await store.redis.execute_command("LSET", keys.changes(1), 1, entry)
    await store.redis.delete(keys.changes(3))
    await store.redis.set(keys.changes(3), b"no list")
    await trim(store)
    assert await versions(store, 2) == [3, 4]


async def test_a_long_run_goes_on_in_another_job(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for review_id in range(20):
        await story(store, review_id)
    monkeypatch.setattr(job, "MAX_RUN_S", 0)
    monkeypatch.setattr(trimming, "SCAN_STEP", 1)
    asked: list[int] = []

    async def enqueue(name: str, cursor: int, **_options: Any) -> None:
        assert name == "trim_histories"
        asked.append(cursor)

    monkeypatch.setattr(store.redis, "enqueue_job", enqueue)
    context = job_context(store, retention=5 * DAY)
    await trim_histories(context)
    while asked:
        await trim_histories(context, asked.pop())
    for review_id in range(20):
        assert await versions(store, review_id) == [3, 4]


async def test_readers_are_told_where_the_history_begins(store: Store, redis_url: str, service: Client) -> None:
    await story(store)
    await trim(store)
    shown = await (await service.get("/reviews/34/changes", headers=READ)).json()
    assert [(change["version"], change["kind"]) for change in shown["changes"]] == [(4, "updated"), (3, "trimmed")]
    assert shown["changes"][1]["fields"]["rating"] == [None, 5]

    def at(days: int, hours: int = 1) -> str:
        return iso(now_ms() - days * DAY + hours * HOUR)

    then = await (await service.get(f"/reviews/34?at={at(10)}", headers=READ)).json()
    assert then["review"] == THIRD
    assert then["first_seen_at"][:10] == at(30)[:10]
    answer = await service.get(f"/reviews/34?at={at(20)}", headers=READ)
    assert (answer.status, (await answer.json())["error"]["code"]) == (404, "history_trimmed")
    answer = await service.get(f"/reviews/34?at={at(40)}", headers=READ)
    assert (answer.status, (await answer.json())["error"]["code"]) == (404, "review_not_found")

    shown_by_trace = run(redis_url, "trace", "34")
    assert "older changes have been trimmed; the review was" in shown_by_trace.stdout
    refused = run(redis_url, "trace", "34", "--at", at(20), "--json")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["trimmed_before"][:10] == at(10)[:10]
