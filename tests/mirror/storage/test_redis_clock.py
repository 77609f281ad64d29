"""Redis's TIME is the clock of what is stored, whatever the clocks of the machines say."""

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from mirror.clock import now_ms
from mirror.storage import keys
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.redis_clock import Reading, better, skew_problem
from mirror.storage.server import in_ms
from mirror.storage.store import Store

ROOT = Path(__file__).parents[3]
YEARS_MS = 2 * 365 * 86_400_000
# Who may read the system's clock: whoever writes a log line or a trace, who compares it with Redis's, and who learns
# from an HTTP date how long to wait.
READERS = {"mirror/clock.py", "mirror/logs.py", "mirror/storage/redis_clock.py", "mirror/partoo/answers.py"}
READERS |= {"mirror/telemetry/tracing.py", "service/webhook/traced.py", "worker/traced.py"}
READS = re.compile(r"\bnow_ms\b|\btime\.time(_ns)?\(|\bdatetime\.(now|utcnow)\(")


@pytest.fixture
def wrong_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's clock is two years ahead."""
    right = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: right() + YEARS_MS * 1_000_000)


async def redis_time(store: Store) -> int:
    return in_ms(await store.redis.time())


@pytest.mark.usefixtures("wrong_clock")
async def test_it_shows_the_time_of_redis_whatever_the_system_says(store: Store) -> None:
    assert abs(await store.now() - await redis_time(store)) < 100
    await asyncio.sleep(0.3)
    assert abs(await store.now() - await redis_time(store)) < 100
    assert abs(store.clock.skew_ms() - YEARS_MS) < 100


async def test_it_asks_once_however_many_want_to_know_and_not_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    ask = store.redis.time

    async def count() -> Any:
        nonlocal asked
        asked += 1
        return await ask()

    monkeypatch.setattr(store.redis, "time", count)
    await asyncio.gather(*(store.now() for _ in range(50)))
    first = asked
    for _ in range(50):
        await store.now()
    assert (first, asked) == (3, 3)


async def test_all_who_wait_learn_that_redis_is_away_and_it_is_asked_again_later(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail() -> Any:
        raise StorageUnavailableError

    with monkeypatch.context() as broken:
        broken.setattr(store.redis, "time", fail)
        answers = await asyncio.gather(*(store.now() for _ in range(3)), return_exceptions=True)
    assert all(isinstance(answer, StorageUnavailableError) for answer in answers)
    assert abs(await store.now() - await redis_time(store)) < 100


@pytest.mark.parametrize("off_s", [-600, 600])
async def test_it_follows_a_server_that_takes_the_place_of_the_last_one(
    store: Store, monkeypatch: pytest.MonkeyPatch, off_s: int
) -> None:
    before = await store.now()
    ask = store.redis.time

    async def other() -> tuple[int, int]:
        seconds, microseconds = await ask()
        return seconds + off_s, microseconds

    monkeypatch.setattr(store.redis, "time", other)
    await store.clock.synchronize(store.redis)
    assert abs(await store.now() - before - off_s * 1000) < 1000


@pytest.mark.parametrize(
    ("known", "new", "chosen"),
    [
        (None, Reading(5, 900, 0), "new"),
        (Reading(1_000, 10, 0), Reading(1_300, 500, 0), "known"),
        (Reading(1_300, 500, 0), Reading(1_000, 10, 0), "new"),
        (Reading(1_000, 10, 0), Reading(9_000, 500, 0), "new"),
        # An hour later as little is known of a clock that drifts.
        (Reading(1_000, 10, 0), Reading(1_300, 500, 3_600_000_000_000), "new"),
    ],
)
def test_the_more_exact_of_two_readings_that_agree_is_kept(known: Reading | None, new: Reading, chosen: str) -> None:
    assert better(known, new) is (new if chosen == "new" else known)


async def test_a_wrong_clock_is_told_once_and_once_more_when_it_is_right(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.now()
    right = time.time_ns
    with capture_logs() as lines:
        for off_s in (0, 59, -120, -120, 0, 0):
            monkeypatch.setattr(time, "time_ns", lambda off_s=off_s: right() + off_s * 1_000_000_000)
            store.clock.tell_skew()
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("clock.wrong", "warning"),
        ("clock.right_again", "info"),
    ]
    assert lines[0]["reason"].startswith("the clock of this machine is 2 min behind Redis's")
    assert round(lines[0]["skew_s"]) == -120


def test_a_minute_is_not_told() -> None:
    assert skew_problem(60_000) is None
    assert skew_problem(-60_000) is None
    assert skew_problem(60_001) is not None


@pytest.mark.usefixtures("wrong_clock")
@pytest.mark.parametrize("after_ms", [0, 30_000])
async def test_a_job_is_due_by_the_clock_of_redis(store: Store, after_ms: int) -> None:
    await store.enqueue("drain", after_ms=after_ms)
    ((_, due),) = await store.redis.zrange(keys.ARQ_QUEUE, 0, -1, withscores=True)
    assert abs(due - after_ms - await redis_time(store)) < 1000


def test_nobody_else_reads_the_clock_of_the_system() -> None:
    found = {
        str(path.relative_to(ROOT))
        for package in ("mirror", "service", "worker")
        for path in (ROOT / package).rglob("*.py")
        if READS.search(path.read_text())
    }
    assert found == READERS


def test_the_clock_of_this_machine_is_read_in_milliseconds() -> None:
    assert abs(now_ms() / 1000 - time.time()) < 1
