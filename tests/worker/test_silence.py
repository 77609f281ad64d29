"""Silence on a real Redis: counted once, learned, told once however many look, explained by Partoo."""

from collections.abc import Mapping

import pytest
from structlog.typing import EventDict

from mirror.clock import iso
from mirror.domain.feed import BEGINNING
from mirror.domain.silence import HOURS_KEPT, HOURS_OF_WEEK, Hour, Reason, Standing
from mirror.events import event_of
from mirror.partoo.answers import Page
from mirror.partoo.errors import ApiUnavailableError
from mirror.storage import counters, feed, keys, server, silence
from mirror.storage.store import Store
from worker import silence as watching
from worker.silence import SilenceWatch

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
START = 3_000 * HOURS_OF_WEEK * HOUR


class Clock:
    """Redis's clock, as far as the watch asks for it."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = START
        monkeypatch.setattr(store, "now", self.read)

    async def read(self) -> int:
        return self.now


class Partoo:
    """Partoo's search: how many reviews it shows, None if it does not answer."""

    def __init__(self, shown: int | None) -> None:
        self.shown = shown
        self.asked: list[Mapping[str, str]] = []

    async def page(self, filters: Mapping[str, str], number: int) -> Page:
        self.asked.append(filters)
        if self.shown is None:
            raise ApiUnavailableError("no answer")
        return Page(number, 1, self.shown, [{"id": one} for one in range(self.shown)])


@pytest.fixture
def clock(store: Store, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(store, monkeypatch)


def watch_of(store: Store, partoo: Partoo | None = None, after: int | None = HOUR) -> SilenceWatch:
    return SilenceWatch(store, partoo, after)  # type: ignore[arg-type]


async def deliver(store: Store, count: int = 1) -> None:
    await counters.add(store, {"deliveries:accepted": count})


async def learn(store: Store, hour: Hour) -> None:
    """Have every hour of the last eight weeks been like this one."""
    first = START // HOUR - HOURS_KEPT
    rows = {str(first + place): f"{hour.deliveries} {hour.longest_wait}" for place in range(HOURS_KEPT)}
    await store.redis.execute_command("HSET", keys.DELIVERY_HOURS, *(part for row in rows.items() for part in row))


def told(lines: list[EventDict]) -> list[EventDict]:
    return [line for line in lines if line["event"].startswith("silence.")]


async def kinds(store: Store) -> list[str]:
    return [entry.kind for entry in await feed.read(store, BEGINNING, 100)]


# Counting


async def test_deliveries_are_counted_into_their_hour_with_the_longest_wait(store: Store, clock: Clock) -> None:
    await deliver(store, 7)
    assert await silence.count(store, clock.now) == START  # what came before the first look is not known
    for wait, came in ((10 * SECOND, 2), (40 * SECOND, 1), (50 * SECOND, 0), (HOUR, 3)):
        clock.now += wait
        await deliver(store, came)
        await silence.count(store, clock.now)
    first = START // HOUR
    assert await silence.hours(store) == {first: Hour(3, 50 * SECOND), first + 1: Hour(3, 0)}
    assert (await silence.standing(store)).last_at == clock.now


async def test_looking_twice_counts_nothing_twice_and_dead_letters_are_deliveries_too(
    store: Store, clock: Clock
) -> None:
    await silence.count(store, clock.now)
    await counters.add(store, {"deliveries:accepted": 2, "deliveries:dead_letter": 1, "deliveries:ignored": 5})
    clock.now += SECOND
    for _ in range(3):
        await silence.count(store, clock.now)
    assert await silence.hours(store) == {START // HOUR: Hour(3, SECOND)}


async def test_no_more_than_eight_weeks_of_hours_are_kept(store: Store, clock: Clock) -> None:
    await learn(store, Hour(1, MINUTE))
    await silence.count(store, clock.now)
    clock.now += 2 * HOUR
    await silence.count(store, clock.now)
    found = await silence.hours(store)
    assert len(found) <= HOURS_KEPT
    assert min(found) == START // HOUR + 3 - HOURS_KEPT


@pytest.mark.parametrize("value", ["garbage", "-5"])
async def test_counters_that_were_spoilt_or_deleted_stop_nothing(store: Store, clock: Clock, value: str) -> None:
    await deliver(store, 5)
    await silence.count(store, clock.now)
    await store.redis.execute_command("HSET", keys.COUNTERS, "deliveries:accepted", value)
    clock.now += SECOND
    assert await silence.count(store, clock.now) == START
    await store.redis.execute_command("HSET", keys.COUNTERS, "deliveries:accepted", 2)
    clock.now += SECOND
    assert await silence.count(store, clock.now) == clock.now


# Telling


async def test_silence_is_told_once_however_many_look_and_ends_with_a_delivery(
    store: Store, clock: Clock, lines: list[EventDict]
) -> None:
    watches = [watch_of(store) for _ in range(3)]
    for wait in (0, 30 * MINUTE, 30 * MINUTE, 1, MINUTE):
        clock.now += wait
        for watch in watches:
            await watch.look()
    since = iso(START)
    assert told(lines) == [
        {
            "event": "silence.began",
            "log_level": "warning",
            "since": since,
            "reason": "unknown",
            "usual_longest_gap_s": None,
        }
    ]
    assert await silence.standing(store) == Standing(
        last_at=START, since=START, began_at=START + HOUR + 1, reason=Reason.UNKNOWN, usual_gap=None, limit=HOUR
    )
    await deliver(store)
    clock.now += MINUTE
    for watch in watches:
        await watch.look()
    lasted_s = 3720.001
    assert told(lines)[1:] == [
        {"event": "silence.ended", "log_level": "info", "lasted_s": lasted_s, "reason": "unknown"}
    ]
    assert (await silence.standing(store)).since is None
    began, ended = [event_of(one) for one in await feed.show(store, await feed.read(store, BEGINNING, 10))]
    assert (began.type, began.source, began.subject) == ("reviewmirror.silence.began", "/silences", "silence")
    assert began.data == {"since": since, "reason": "unknown", "usual_longest_gap_s": None}
    assert ended.type == "reviewmirror.silence.ended"
    assert ended.data == {"since": since, "ended_at": iso(clock.now), "lasted_s": lasted_s, "reason": "unknown"}


async def test_what_is_usual_is_learned_from_what_was_counted(
    store: Store, clock: Clock, lines: list[EventDict]
) -> None:
    await learn(store, Hour(2, 40 * MINUTE))
    watch = watch_of(store, after=None)
    await watch.look()
    clock.now += 100 * MINUTE
    await watch.look()
    assert told(lines) == []
    assert (await silence.standing(store)).limit == 100 * MINUTE
    clock.now += 1
    await watch.look()
    assert [line["usual_longest_gap_s"] for line in told(lines)] == [2400]


async def test_a_wait_in_silence_is_not_learned(store: Store, clock: Clock) -> None:
    watch = watch_of(store)
    await watch.look()
    for _ in range(5):
        clock.now += HOUR + MINUTE
        await watch.look()
    await deliver(store, 4)
    await watch.look()
    first = START // HOUR
    assert await silence.hours(store) == {first + 1: Hour(0, HOUR + MINUTE), first + 5: Hour(4, 0)}


async def test_silence_ends_too_when_it_is_switched_off(store: Store, clock: Clock) -> None:
    await watch_of(store).look()
    clock.now += 2 * HOUR
    await watch_of(store).look()
    await watch_of(store, after=0).look()
    assert await kinds(store) == ["silence.began", "silence.ended"]
    clock.now += 100 * HOUR
    await watch_of(store, after=0).look()
    assert await kinds(store) == ["silence.began", "silence.ended"]


# Asking Partoo


@pytest.mark.parametrize(("shown", "reason"), [(1, Reason.DEAF), (0, Reason.QUIET), (None, Reason.UNKNOWN)])
async def test_partoo_tells_whether_the_mirror_is_deaf(
    store: Store, clock: Clock, lines: list[EventDict], shown: int | None, reason: Reason
) -> None:
    partoo = Partoo(shown)
    watch = watch_of(store, partoo)
    await watch.look()
    clock.now += 2 * HOUR
    await watch.look()
    assert partoo.asked[0]["update_date__gte"] == iso(START + MINUTE)[:19]
    assert partoo.asked[0]["update_date__lte"] == iso(clock.now - 10 * MINUTE)[:19]
    standing = await silence.standing(store)
    assert standing.reason is reason
    levels = {Reason.DEAF: "warning", Reason.QUIET: "info", Reason.UNKNOWN: "warning"}
    assert [(line["log_level"], line["reason"]) for line in told(lines) if line["event"] == "silence.began"] == [
        (levels[reason], reason)
    ]
    finding = silence.finding(standing, clock.now)
    assert (finding is None) == (reason is Reason.QUIET)
    assert finding is None or ("have changed at Partoo" in finding.problem) == (reason is Reason.DEAF)


async def test_while_it_is_silent_partoo_is_asked_again(
    store: Store, clock: Clock, lines: list[EventDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    partoo = Partoo(0)
    watch = watch_of(store, partoo)
    await watch.look()
    clock.now += 2 * HOUR
    for _ in range(3):
        await watch.look()
    assert len(partoo.asked) == 2  # one look, in both searches
    monkeypatch.setattr(watching, "ASK_AGAIN_S", 0.0)
    partoo.shown = None
    await watch.look()
    partoo.shown = 1
    for _ in range(2):
        await watch.look()
    assert (await silence.standing(store)).reason is Reason.DEAF
    assert [line["event"] for line in told(lines)] == ["silence.began", "silence.not_asked", "silence.explained"]
    assert await kinds(store) == ["silence.began"]


def test_a_finding_says_for_how_long_and_what_is_usual() -> None:
    standing = Standing(last_at=START, since=START, reason=Reason.UNKNOWN, usual_gap=HOUR, limit=3 * HOUR)
    finding = silence.finding(standing, START + 4 * HOUR)
    assert isinstance(finding, server.Finding)
    assert finding.problem == "no delivery has come for 4 h (usually 1 h at most)"
