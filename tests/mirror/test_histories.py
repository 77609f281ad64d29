"""Long histories are read in pieces, which keep nobody waiting, and are bounded."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from mirror.clock import iso
from mirror.domain import trimming as trimming_rules
from mirror.domain.changes import Change, Kind
from mirror.domain.history import Lookback
from mirror.storage import histories, keys, reads, trimming
from mirror.storage.frames import decompress
from mirror.storage.store import Store
from tests.mirror.mirrored import accept, drain, mirror
from tests.support import READ, Client, make_body, make_review
from tests.worker.support import job_context
from worker.jobs import trim_histories

LONG = 100_000
START = 1_757_664_000_000
# Redis may be busy with one command for so long: reading a whole long history takes it several times that.
PATIENCE_S = 0.05


async def make_history(store: Store, length: int, review_id: int = 34) -> None:
    """Store a review that was rated anew `length` times, a second apart."""
    await mirror(store, make_review(review_id))
    record = msgspec.json.decode(decompress(await store.redis.get(keys.record(review_id)) or b""))
    entries = [msgspec.json.encode(Change(1, Kind.FIRST_SEEN, START, f"{START:012x}" + "0" * 12))]
    for version in range(2, length + 1):
        at, pair = START + version * 1000, (1 + (version - 1) % 5, 1 + version % 5)
        fields = {"rating": pair, "content": ("a text of some length " * 4, "another text of some length " * 4)}
        entries.append(msgspec.json.encode(Change(version, Kind.UPDATED, at, f"{at:012x}" + "0" * 12, fields=fields)))
    last = START + length * 1000
    times = {"first_seen_at": START, "last_changed_at": last, "last_received_at": last + 1}
    review = record["review"] | {"rating": 1 + length % 5, "content": "another text of some length " * 4}
    await store.redis.set(
        keys.record(review_id), msgspec.json.encode(record | times | {"version": length, "review": review})
    )
    await store.redis.delete(keys.changes(review_id))
    for begin in range(0, length, 10_000):
        await store.redis.execute_command("RPUSH", keys.changes(review_id), *entries[begin : begin + 10_000])


@asynccontextmanager
async def redis_answers_others(store: Store) -> AsyncIterator[None]:
    """Fail if Redis is busy with one command for long."""
    await store.redis.config_set("slowlog-log-slower-than", int(PATIENCE_S * 1_000_000))
    await store.redis.slowlog_reset()
    yield
    assert [str(one["command"])[:80] for one in await store.redis.slowlog_get()] == []


async def test_of_a_long_history_any_moment_and_any_page_is_read_in_pieces(store: Store, service: Client) -> None:
    await make_history(store, LONG)
    async with redis_answers_others(store):
        for version in (2, LONG // 2, LONG - 1):
            answer = await service.get(f"/reviews/34?at={iso(START + version * 1000)}", headers=READ)
            shown = await answer.json()
            assert (shown["version"], shown["review"]["rating"]) == (version, 1 + version % 5)
        for cursor, versions in (("50000", [49_999, 49_998]), ("3", [2, 1])):
            answer = await service.get(f"/reviews/34/changes?limit=2&cursor={cursor}", headers=READ)
            assert [change["version"] for change in (await answer.json())["changes"]] == versions
        answer = await service.get("/reviews/34/changes?cursor=1", headers=READ)
        assert await answer.json() == {"changes": [], "next": None}


async def test_while_a_long_history_is_read_the_process_does_other_things(store: Store) -> None:
    await make_history(store, LONG)
    longest, stop = 0.0, False

    async def watch() -> None:
        nonlocal longest
        while not stop:
            began = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - began)

    watching = asyncio.create_task(watch())
    await histories.walk(store, 34, partial(Lookback, moment=START))
    stop = True
    await watching
    assert longest < 10 * PATIENCE_S  # a piece takes some milliseconds; the machine may be busy with others


async def test_a_history_that_has_become_too_long_is_trimmed_and_goes_on(store: Store) -> None:
    await make_history(store, LONG - 1)
    await accept(store, 34, make_body(make_review(rating=1, content="one more")))
    with capture_logs() as lines:
        async with redis_answers_others(store):
            await drain(store)
    found = await reads.record_and_changes(store, 34)
    assert found is not None
    kept = trimming_rules.MAX_CHANGES - trimming_rules.TRIM_STEP
    assert [change.version for change in found[1]] == [*range(LONG - kept + 1, LONG + 1)]
    assert found[1][0].kind is Kind.TRIMMED
    assert [line["changes"] for line in lines if line["event"] == "history.shortened"] == [LONG - kept]


async def test_histories_that_an_earlier_release_let_grow_are_trimmed_by_the_daily_job(store: Store) -> None:
    await make_history(store, trimming_rules.MAX_CHANGES + 1)
    await trim_histories(job_context(store))
    length = await store.redis.execute_command("LLEN", keys.changes(34))
    assert length == trimming_rules.MAX_CHANGES - trimming_rules.TRIM_STEP


async def test_a_history_that_is_trimmed_while_it_is_read_is_read_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_history(store, 2_000)
    read = histories.pieces
    trimmed: list[int] = []

    async def overtaken(*arguments: Any) -> AsyncIterator[tuple[int, list[bytes]]]:
        async for place, entries in read(*arguments):
            yield place, entries
            if not trimmed:
                trimmed.append(0)
                trimmed.append(await trimming.trim(store, 34, START + 500_000))

    monkeypatch.setattr(histories, "pieces", overtaken)
    found = await reads.record_and_changes(store, 34)
    assert trimmed == [0, 498]
    assert found is not None
    assert [change.version for change in found[1]] == [*range(499, 2_001)]


async def test_large_changes_are_read_few_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await make_history(store, 500)
    monkeypatch.setattr(histories, "PIECE_BYTES", 1_000)
    opened = await histories.begin(store, 34)
    assert opened is not None
    sizes = [len(entries) async for _, entries in histories.pieces(store, 34, opened[1])]
    assert sum(sizes) == 500
    assert max(sizes[1:]) <= 4
