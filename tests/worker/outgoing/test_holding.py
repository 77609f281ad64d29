"""Thirty days of simulated life: who holds disappearances hears of those that lasted, and of no others."""

import asyncio
import random
from collections import defaultdict

import pytest

from mirror.domain import outgoing
from mirror.storage import endpoints
from mirror.storage.store import Store
from tests.service.support import START, apply
from tests.support import make_body, make_deletion, make_review, wait_until
from tests.worker.outgoing.support import add_endpoint, receiving, sending

HOUR = 3_600_000
DAY = 24 * HOUR
DAYS, REVIEWS, STEP, HOLD = 30, 12, 6 * HOUR, 48 * HOUR

# Of a review, an absence: when it began, and when it ended, in ms since 1970 UTC.
Absence = tuple[int, int]


class Clock:
    now = START

    def __call__(self) -> int:
        return self.now


def absences(chance: random.Random) -> list[Absence]:
    """Make up the absences of a review: flickers of hours, and some that last for days."""
    found: list[Absence] = []
    at = START + chance.randrange(2 * DAY)
    while at < START + DAYS * DAY:
        hours = chance.randrange(1, 47) if chance.random() < 0.7 else chance.randrange(50, 150)
        found.append((at, at + hours * HOUR))
        at += hours * HOUR + chance.randrange(6 * HOUR, 3 * DAY)
    return found


def expected(lives: dict[int, list[Absence]]) -> dict[int, list[str]]:
    end = START + DAYS * DAY
    told = {}
    for review_id, some in lives.items():
        told[review_id] = ["first_seen"]
        for gone_at, back_at in some:
            if back_at - gone_at >= HOLD and gone_at + HOLD <= end:
                told[review_id] += ["vanished"] + (["reappeared"] if back_at < end else [])
    return told


def deliveries(lives: dict[int, list[Absence]]) -> list[tuple[int, int, bytes]]:
    """Write what is delivered: when, about which review, and its body; the oldest first."""
    found = []
    for review_id, some in lives.items():
        live = make_review(review_id)
        found.append((START - DAY, review_id, make_body(live)))
        for gone_at, back_at in some:
            found += [(gone_at, review_id, make_body(make_deletion(live, None))), (back_at, review_id, make_body(live))]
    return sorted(found)


@pytest.mark.parametrize("restarts", [False, True], ids=["one sender", "a restart every day"])
async def test_of_thirty_days_of_flicker_only_what_lasted_is_told(
    store: Store, monkeypatch: pytest.MonkeyPatch, *, restarts: bool
) -> None:
    monkeypatch.setattr(outgoing, "RETRY_AFTER_MS", (100,))
    monkeypatch.setattr("worker.outgoing.senders.INTERVAL_S", 0.05)
    monkeypatch.setattr("worker.outgoing.sender.LONGEST_WAIT_S", 0.02)
    clock = Clock()
    chance = random.Random(30)  # noqa: S311 - repeatable, and hides nothing
    lives = {review_id: absences(chance) for review_id in range(REVIEWS)}
    waiting = deliveries(lives)
    clock.now = START - DAY

    async def caught_up() -> bool:
        standing = await endpoints.standing(store, await endpoints.get(store, "ep_1"), clock.now)
        return not standing.lag_events

    async with receiving() as receiver:
        await add_endpoint(store, receiver.url, hold_vanished=HOLD)
        while clock.now < START + DAYS * DAY:
            async with sending(store, clock=clock):
                for _ in range(4 if restarts else DAYS * DAY // STEP + 8):
                    clock.now = min(clock.now + STEP, START + DAYS * DAY)
                    while waiting and waiting[0][0] <= clock.now:
                        at, review_id, body = waiting.pop(0)
                        await apply(store, (review_id, at, body))
                    await wait_until(caught_up)
                    await asyncio.sleep(0.02)
    told = defaultdict(list)
    for event in receiver.taken:
        told[int(event["subject"])].append(event["data"]["kind"])
    wanted = expected(lives)
    assert sum(kinds.count("vanished") for kinds in wanted.values()) > 5
    assert sum(len(some) for some in lives.values()) > 50
    assert told == wanted
