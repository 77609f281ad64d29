"""Answers that are shared: one at a time, none too old, and no number of those who ask starves anybody."""

import asyncio

import pytest

from service.api import shared
from service.api.shared import Shared
from tests.conftest import StartService
from tests.support import READ


class Work:
    """Counts how often it was done, and how often at once."""

    def __init__(self) -> None:
        self.done = self.now = self.most = 0

    async def __call__(self) -> int:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.01)
        self.now -= 1
        self.done += 1
        if self.done == 3:
            raise OSError
        return self.done


async def test_who_asks_at_the_same_time_gets_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "MAX_AGE_S", 0.05)
    work = Work()
    answers = Shared(work)
    assert set(await asyncio.gather(*(answers.get() for _ in range(100)))) == {1}
    assert await answers.get() == 1
    await asyncio.sleep(0.1)
    assert set(await asyncio.gather(*(answers.get() for _ in range(100)))) == {2}
    assert work.most == 1


async def test_an_error_is_shared_and_does_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "MAX_AGE_S", 0.0)
    work = Work()
    work.done = 2
    answers = Shared(work)
    results = await asyncio.gather(*(answers.get() for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [OSError] * 3
    assert await answers.get() == 4


async def test_one_who_goes_away_takes_the_answer_from_nobody() -> None:
    answers = Shared(Work())
    leaving = asyncio.create_task(answers.get())
    staying = asyncio.create_task(answers.get())
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == 1


async def test_many_who_ask_for_metrics_keep_no_reader_waiting(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "MAX_AGE_S", 1.0)
    service = await start_service()
    asking = [asyncio.create_task(service.get("/metrics")) for _ in range(500)]
    await asyncio.sleep(0)
    readers = await asyncio.gather(*(service.get("/reviews", headers=READ) for _ in range(20)))
    ready = await (await service.get("/readyz")).json()
    assert {answer.status for answer in await asyncio.gather(*asking)} == {200}
    assert {answer.status for answer in readers} == {200}
    assert ready["redis"] == "ok"
