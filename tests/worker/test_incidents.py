"""Mass vanishings on a real Redis: opened once, holding back, closed by returns or by time."""

import asyncio
from typing import Any

import pytest
from structlog.typing import EventDict

from mirror.domain.incidents import CloseReason, Thresholds
from mirror.domain.lifecycle import Status
from mirror.storage import absences, incidents, keys
from mirror.storage.store import Store
from tests.support import make_review
from tests.worker.support import DAY, GRACE, HOUR, MINUTE, SECOND, START, Mirror

BUSINESS = make_review()["business_id"]
IDS = range(1, 11)


def events(lines: list[EventDict]) -> list[EventDict]:
    return [line for line in lines if line["event"].startswith("incident.")]


async def held(mirror: Mirror) -> int:
    return sum(incident.missing for incident in await incidents.open_incidents(mirror.store))


async def of(mirror: Mirror) -> list[dict[str, str]]:
    return [incident.of for incident in await incidents.open_incidents(mirror.store)]


async def test_an_incident_opens_once_holds_and_closes_when_most_are_back(
    mirror: Mirror, lines: list[EventDict]
) -> None:
    await mirror.show(*range(1, 41))
    for review_id in IDS:
        mirror.now += MINUTE
        await mirror.vanish(review_id)
    for _ in range(3):
        await mirror.later(10 * SECOND)

    (opened,) = events(lines)
    assert opened == {
        "event": "incident.opened",
        "log_level": "warning",
        "business_id": BUSINESS,
        "absences": 10,
        "returned": 0,
        "missing": 10,
    }
    (incident,) = await incidents.open_incidents(mirror.store)
    assert (incident.first_vanished_at, incident.last_vanished_at) == (START + MINUTE, START + 10 * MINUTE)
    assert incident.opened_at == START + 5 * MINUTE

    await mirror.later(GRACE + DAY)
    assert set(await mirror.statuses(*IDS)) == {Status.MISSING}
    await mirror.show(*range(1, 8))
    await mirror.later(SECOND)
    assert len(events(lines)) == 1
    await mirror.show(8)
    closed_at = mirror.now + SECOND
    await mirror.later(SECOND)

    line = events(lines)[1]
    assert (line["event"], line["reason"], line["absences"]) == ("incident.closed", "returns", 10)
    assert (line["returned"], line["missing"]) == (8, 2)
    assert line["lasted_s"] == (closed_at - incident.opened_at) / 1000
    assert line["returned_after_s"]["p50"] == pytest.approx((GRACE + DAY) / 1000, rel=0.05)
    (closed,) = await incidents.closed_incidents(mirror.store, 0, 10)
    assert (closed.closed_at, closed.closed_by, closed.missing) == (closed_at, CloseReason.RETURNS, 2)
    assert await incidents.open_incidents(mirror.store) == []

    await mirror.later(GRACE - SECOND)
    assert await mirror.statuses(9, 10) == [Status.MISSING, Status.MISSING]
    await mirror.later(SECOND)
    assert await mirror.statuses(9, 10) == [Status.GONE, Status.GONE]
    assert len(events(lines)) == 2


async def test_an_incident_whose_reviews_never_return_ends_and_they_get_their_grace_from_then(
    mirror: Mirror, lines: list[EventDict]
) -> None:
    await mirror.show(*IDS)
    await mirror.vanish(*IDS)
    await mirror.later(2 * GRACE - 1)
    assert set(await mirror.statuses(*IDS)) == {Status.MISSING}
    await mirror.later(1)
    assert [line["event"] for line in events(lines)] == ["incident.opened", "incident.closed"]
    assert events(lines)[1]["reason"] == "time"
    await mirror.later(GRACE - 1)
    assert set(await mirror.statuses(*IDS)) == {Status.MISSING}
    await mirror.later(1)
    assert set(await mirror.statuses(*IDS)) == {Status.GONE}


async def test_too_few_or_too_slow_or_too_small_a_share_is_no_incident(mirror: Mirror) -> None:
    await mirror.show(*IDS)
    await mirror.vanish(1, 2, 3, 4)
    assert await of(mirror) == []
    mirror.now += HOUR + 1
    await mirror.vanish(5, 6, 7, 8)
    assert await of(mirror) == []

    await mirror.show(*range(101, 201), business_id="large", partner="facebook")
    await mirror.show(*range(201, 301), business_id="other", partner="facebook")
    await mirror.vanish(*range(101, 110), business_id="large", partner="facebook")
    assert await of(mirror) == []
    await mirror.vanish(110, business_id="large", partner="facebook")
    assert await of(mirror) == [{"business_id": "large"}]


async def test_a_large_business_that_loses_reviews_one_by_one_is_none(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = Mirror(store, monkeypatch, Thresholds())
    await store.redis.zadd(keys.business(BUSINESS), {str(number): 0 for number in range(10_000)})
    await mirror.show(*range(1, 26), partner="facebook")
    for review_id in range(1, 26):
        await mirror.vanish(review_id, partner=f"partner {review_id}")
    assert await of(mirror) == []


async def test_reviews_that_came_back_at_once_do_not_count(mirror: Mirror) -> None:
    await mirror.show(*IDS)
    for review_id in IDS:
        await mirror.vanish(review_id)
        await mirror.show(review_id)
    assert await of(mirror) == []


async def test_reviews_of_one_partner_across_businesses_are_one_incident(mirror: Mirror) -> None:
    for review_id in IDS:
        await mirror.show(review_id, business_id=f"b{review_id}")
    for review_id in IDS:
        await mirror.vanish(review_id, business_id=f"b{review_id}")
    assert await of(mirror) == [{"partner": "google_my_business"}]
    assert await held(mirror) == 10


async def test_an_absence_belongs_to_one_incident_the_first_that_takes_it(mirror: Mirror) -> None:
    await mirror.show(*IDS)
    await mirror.show(*range(20, 30), business_id="other")
    await mirror.vanish(*IDS)
    await mirror.vanish(20, 21, 22, 23, business_id="other")
    assert await of(mirror) == [{"business_id": BUSINESS}]
    assert await held(mirror) == 10
    await mirror.vanish(24, business_id="other")
    assert await of(mirror) == [{"business_id": BUSINESS}, {"business_id": "other"}]
    assert await held(mirror) == 15


async def test_what_vanishes_close_to_the_last_joins_and_what_vanishes_much_later_does_not(mirror: Mirror) -> None:
    await mirror.show(*range(1, 41))
    await mirror.vanish(*IDS)
    mirror.now += HOUR
    await mirror.vanish(11)
    assert await held(mirror) == 11
    mirror.now += HOUR + 1
    await mirror.vanish(12)
    assert await held(mirror) == 11
    # But a second burst does, as one scope has one open incident.
    mirror.now += MINUTE
    await mirror.vanish(*range(13, 17))
    (incident,) = await incidents.open_incidents(mirror.store)
    assert (incident.absences, incident.missing) == (16, 16)
    assert (incident.first_vanished_at, incident.last_vanished_at) == (START, mirror.now)


async def test_absences_applied_out_of_order_are_counted_by_when_they_began(mirror: Mirror) -> None:
    await mirror.show(*IDS)
    for minute in (50, 10, 40, 20, 30):
        mirror.now = START + minute * MINUTE
        await mirror.vanish(minute // 10)
    (incident,) = await incidents.open_incidents(mirror.store)
    assert (incident.first_vanished_at, incident.last_vanished_at) == (START + 10 * MINUTE, START + 50 * MINUTE)
    assert incident.absences == 5


async def test_after_an_incident_has_closed_another_may_open(mirror: Mirror, lines: list[EventDict]) -> None:
    await mirror.show(*IDS)
    for _ in range(2):
        await mirror.vanish(*IDS)
        await mirror.later(DAY)
        await mirror.show(*IDS)
        await mirror.later(DAY)
    assert [line["event"] for line in events(lines)] == ["incident.opened", "incident.closed"] * 2
    assert [line["returned"] for line in events(lines)] == [0, 10, 0, 10]


async def test_many_workers_that_watch_at_once_tell_of_an_incident_once(
    mirror: Mirror, lines: list[EventDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incidents, "LET_GO_AT_A_TIME", 2)
    await mirror.show(*IDS)
    await mirror.vanish(*IDS)
    await asyncio.gather(*(mirror.watch() for _ in range(4)))
    mirror.now += 2 * GRACE
    (incident,) = await incidents.open_incidents(mirror.store)

    async def close() -> Any:
        return await incidents.close(mirror.store, incident, mirror.now, CloseReason.TIME)

    told = await asyncio.gather(*(close() for _ in range(4)))
    assert len([one for one in told if one is not None]) == 1
    assert [line["event"] for line in events(lines)] == ["incident.opened"]
    scheduled = await mirror.store.redis.zrange(keys.ABSENCES, 0, -1, withscores=True)
    assert {(int(one), int(score)) for one, score in scheduled} == {(one, mirror.now) for one in IDS}


async def test_a_closing_that_was_interrupted_goes_on_with_its_time_and_reason(
    mirror: Mirror,
) -> None:
    await mirror.show(*IDS)
    await mirror.vanish(*IDS)
    mirror.now += 2 * GRACE
    (incident,) = await incidents.open_incidents(mirror.store)
    args = [incident.scope, incident.opened_at, mirror.now, CloseReason.TIME, 4, 100]
    key_names = [keys.INCIDENT_PREFIX + incident.scope, keys.HELD_PREFIX + incident.scope, keys.ABSENCES]
    key_names += [keys.INCIDENTS, keys.CLOSED_INCIDENTS]
    assert await mirror.store.close_incident(keys=key_names, args=args) == 0
    closed_at = mirror.now

    await mirror.later(DAY)
    (closed,) = await incidents.closed_incidents(mirror.store, 0, 10)
    assert (closed.closed_at, closed.closed_by, closed.missing) == (closed_at, CloseReason.TIME, 10)
    await mirror.later(GRACE - DAY)
    assert set(await mirror.statuses(*IDS)) == {Status.GONE}


async def test_a_review_with_neither_business_nor_partner_belongs_to_no_incident(mirror: Mirror) -> None:
    await mirror.vanish(*IDS, business_id=None, partner=...)
    assert await of(mirror) == []
    await mirror.later(GRACE)
    assert set(await mirror.statuses(*IDS)) == {Status.GONE}


async def test_a_deletion_that_names_no_business_counts_for_the_one_that_the_review_had(mirror: Mirror) -> None:
    await mirror.show(*IDS)
    await mirror.vanish(*IDS, business_id=None)
    assert await of(mirror) == [{"business_id": BUSINESS}]
    await mirror.show(*IDS)
    (counts,) = await absences.counts(mirror.store, [f"business:{BUSINESS}"])
    assert (counts.absences, counts.returned, counts.going_on) == (10, 10, 0)


async def test_closed_incidents_are_kept_up_to_a_number(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "CLOSED_INCIDENTS_KEPT", 2)
    for number in range(3):
        ids = range(100 * number, 100 * number + 5)
        await mirror.vanish(*ids, business_id=f"b{number}", partner=f"p{number}")
        await mirror.show(*ids, business_id=f"b{number}", partner=f"p{number}")
        await mirror.later(DAY)
    found = await incidents.closed_incidents(mirror.store, 0, 10)
    assert [incident.of for incident in found] == [{"business_id": "b2"}, {"business_id": "b1"}]
    assert await incidents.closed_incidents(mirror.store, 1, 1) == found[1:]


async def test_nothing_of_an_incident_is_left_in_redis_but_its_end(mirror: Mirror) -> None:
    await mirror.show(*IDS)
    await mirror.vanish(*IDS)
    await mirror.show(*IDS)
    await mirror.later(DAY)
    left = {key.decode() for key in await mirror.store.redis.keys("rm:incident*")}
    assert left == {keys.CLOSED_INCIDENTS}
    for key in await mirror.store.redis.keys(f"{keys.RECENT_PREFIX}*"):
        assert 0 < await mirror.store.redis.pttl(key) <= 3 * HOUR


async def test_absences_whose_deletions_name_another_business_go_over_to_its_incident(mirror: Mirror) -> None:
    await mirror.show(*range(1, 31))
    await mirror.vanish(*IDS)
    assert await of(mirror) == [{"business_id": BUSINESS}]
    mirror.now += MINUTE
    await mirror.vanish(*IDS, business_id="other")
    by_business = {
        one.of["business_id"]: (one.absences, one.missing) for one in await incidents.open_incidents(mirror.store)
    }
    assert by_business == {BUSINESS: (0, 0), "other": (10, 10)}
    await mirror.later(MINUTE)
    assert await of(mirror) == [{"business_id": "other"}]
    await mirror.later(GRACE + DAY)
    assert set(await mirror.statuses(*IDS)) == {Status.MISSING}

    await mirror.show(*IDS, update_date="2025-10-12T10:00:00Z", business_id="other")
    await mirror.later(MINUTE)
    assert await of(mirror) == []
    (old, new) = (await incidents.closed_incidents(mirror.store, 0, 10))[::-1][:2]
    assert {old.closed_by, new.closed_by} == {CloseReason.RETURNS}


async def test_a_free_absence_that_moves_is_checked_when_it_was_to_be(mirror: Mirror) -> None:
    await mirror.show(*range(1, 31))
    await mirror.vanish(34)
    mirror.now += DAY
    await mirror.vanish(34, business_id="other")
    assert await mirror.store.redis.zscore(keys.ABSENCES, "34") == START
    await mirror.later(GRACE - DAY)
    assert (await mirror.record(34)).status is Status.GONE
    mirror.now += DAY
    await mirror.vanish(34, business_id="a-third")
    assert await mirror.store.redis.zscore(keys.ABSENCES, "34") is None
