"""Deletion grace on a real Redis: found, checked, gone, whichever worker is there, and whenever."""

import asyncio
import random

import msgspec
import pytest
from structlog.typing import EventDict

from mirror.domain.changes import Source
from mirror.domain.history import first_payload, replay
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.incidents import DEFAULT_THRESHOLDS
from mirror.domain.lifecycle import Status
from mirror.domain.record import Windows
from mirror.storage import inbox, keys, reads
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.store import Store
from mirror.views import record_view
from tests.conftest import running_worker
from tests.corrupt import BAD_RECORDS
from tests.support import make_body, make_deletion, make_review, make_settings, wait_until
from tests.worker.support import DAY, GRACE, HOUR, START, Mirror, job_context
from worker.deciding import Policy
from worker.drain import Drainer
from worker.jobs import watch_absences
from worker.watch import watch


async def scheduled(mirror: Mirror) -> dict[int, int]:
    found = await mirror.store.redis.zrange(keys.ABSENCES, 0, -1, withscores=True)
    return {int(review_id): int(score) for review_id, score in found}


async def test_a_missing_review_is_gone_when_its_grace_is_over_and_not_before(
    mirror: Mirror, lines: list[EventDict]
) -> None:
    await mirror.show(34)
    await mirror.vanish(34)
    await mirror.later(GRACE - 1)
    assert (await mirror.record()).status is Status.MISSING
    assert await mirror.inbox() == []

    await mirror.later(1)
    record, changes = await mirror.record(), await mirror.changes()
    assert (record.status, record.version, record.missing_since) == (Status.GONE, 3, START)
    assert (changes[-1].kind, changes[-1].source, changes[-1].missing_for) == ("gone", Source.GRACE, GRACE)
    (line,) = [line for line in lines if line["event"] == "review.gone"]
    assert (line["review_id"], line["version"], line["missing_for_s"]) == (34, 3, GRACE / 1000)
    assert await reads.counts_by_status_and_partner(mirror.store) == {
        ("live", "google_my_business"): 0,
        ("missing", "google_my_business"): 0,
        ("gone", "google_my_business"): 1,
    }


async def test_the_feed_tells_that_a_review_is_gone(mirror: Mirror) -> None:
    await mirror.vanish(34)
    await mirror.later(GRACE)
    feed = await mirror.store.redis.xrange(keys.FEED)
    assert [entry[b"kind"] for _, entry in feed] == [b"first_seen", b"gone"]


async def test_a_gone_review_comes_back(mirror: Mirror) -> None:
    await mirror.show(34)
    await mirror.vanish(34)
    await mirror.later(GRACE)
    await mirror.show(34)
    assert await mirror.kinds() == ["first_seen", "vanished", "gone", "reappeared"]
    assert (await mirror.record()).status is Status.LIVE
    await mirror.later(3 * GRACE)
    assert (await mirror.record()).status is Status.LIVE


async def test_a_review_that_came_back_and_vanished_again_has_a_whole_grace_from_then(mirror: Mirror) -> None:
    await mirror.show(34)
    await mirror.vanish(34)
    await mirror.later(GRACE - DAY)
    await mirror.show(34)
    await mirror.vanish(34)
    await mirror.later(GRACE - 1)
    assert (await mirror.record()).status is Status.MISSING
    await mirror.later(1)
    assert (await mirror.record()).status is Status.GONE


async def test_a_check_waits_behind_a_return_that_was_received_before_it(mirror: Mirror) -> None:
    await mirror.show(34)
    await mirror.vanish(34)
    mirror.now += GRACE
    await mirror.receive(make_review(34))
    assert await mirror.put_checks() == 1
    assert [entry.source for entry in await mirror.inbox()] == ["webhook", "grace"]
    await mirror.watch()
    assert await mirror.kinds() == ["first_seen", "vanished", "reappeared"]


async def test_an_absence_is_checked_once_however_many_workers_look(mirror: Mirror) -> None:
    await mirror.vanish(34, 35)
    mirror.now += GRACE
    await asyncio.gather(*(mirror.put_checks() for _ in range(8)))
    assert [len(await mirror.inbox(review_id)) for review_id in (34, 35)] == [1, 1]
    await mirror.watch()
    assert await mirror.kinds(34) == await mirror.kinds(35) == ["first_seen", "gone"]


async def test_a_delivery_between_a_check_and_its_turn_brings_no_second_check(mirror: Mirror) -> None:
    await mirror.vanish(34)
    mirror.now += GRACE
    await mirror.put_checks()
    await mirror.receive(make_review(34, state="deleted", rating=1))
    assert await mirror.put_checks() == 0
    await mirror.later(1)
    assert await mirror.kinds() == ["first_seen", "gone", "updated"]
    assert (await mirror.record()).status is Status.GONE
    assert await scheduled(mirror) == {}


async def test_a_check_that_came_too_early_is_made_again_a_grace_later(mirror: Mirror) -> None:
    await mirror.vanish(34)
    mirror.now += GRACE
    await mirror.put_checks()
    # A worker of a release with a longer grace takes it up.
    assert await Drainer(mirror.store, Policy(windows=Windows(grace=2 * GRACE))).run()
    assert (await mirror.record()).status is Status.MISSING
    assert await scheduled(mirror) == {34: START + GRACE}
    await mirror.later(GRACE)
    assert (await mirror.record()).status is Status.GONE


async def test_a_check_of_an_earlier_absence_leaves_alone_the_grace_of_the_one_that_goes_on(mirror: Mirror) -> None:
    await mirror.vanish(34)
    mirror.now += GRACE
    await mirror.receive(make_review(34))
    mirror.now += HOUR
    await mirror.receive(make_review(34, state="deleted"))
    mirror.now += DAY
    assert await mirror.put_checks() == 1
    await mirror.watch()
    assert await mirror.kinds() == ["first_seen", "reappeared", "vanished"]
    assert await scheduled(mirror) == {34: START + GRACE + HOUR}


async def test_an_absence_whose_record_is_lost_is_dropped(mirror: Mirror) -> None:
    await mirror.vanish(34)
    await mirror.store.redis.delete(keys.record(34))
    await mirror.later(GRACE)
    assert await scheduled(mirror) == {}
    assert await mirror.inbox() == []


async def test_an_inbox_of_another_type_holds_up_no_other_absence(mirror: Mirror) -> None:
    await mirror.vanish(34, 35)
    await mirror.store.redis.set(keys.inbox(34), "no list")
    await mirror.later(GRACE)
    assert (await mirror.record(35)).status is Status.GONE
    await mirror.store.redis.delete(keys.inbox(34))
    await mirror.later(GRACE)
    assert (await mirror.record(34)).status is Status.GONE


@pytest.mark.parametrize("name", BAD_RECORDS)
async def test_a_record_that_cannot_be_read_holds_up_no_other_absence(mirror: Mirror, name: str) -> None:
    await mirror.vanish(34, 35)
    await mirror.store.redis.set(keys.record(34), BAD_RECORDS[name])
    await mirror.later(GRACE)
    assert (await mirror.record(35)).status is Status.GONE


async def test_a_record_that_cannot_be_read_is_left_to_the_drain_to_tell(
    mirror: Mirror, lines: list[EventDict]
) -> None:
    await mirror.vanish(34)
    await mirror.store.redis.set(keys.record(34), b"{")
    await mirror.later(GRACE)
    (line,) = [line for line in lines if line["event"] == "drain.corrupt_record"]
    assert line["review_id"] == 34


@pytest.mark.parametrize("workers", [1, 2])
async def test_workers_that_stood_still_past_the_deadline_catch_up(mirror: Mirror, workers: int) -> None:
    ids = range(1, 41)
    await mirror.receive(*(make_review(review_id) for review_id in ids))
    mirror.now += HOUR
    await mirror.receive(*(make_review(review_id, state="deleted") for review_id in ids))
    mirror.now += DAY
    await mirror.receive(*(make_review(review_id) for review_id in ids if review_id % 4))
    # Nobody has worked until now. No incident: it would hold them.
    mirror.now += 3 * GRACE
    drainers = [Drainer(mirror.store, Policy(windows=Windows(grace=GRACE))) for _ in range(workers)]
    for _ in range(3):
        await asyncio.gather(*(watch(mirror.store, drainer, GRACE) for drainer in drainers))

    assert DEFAULT_THRESHOLDS.reviews > len([one for one in ids if one % 4 == 0])
    assert await mirror.statuses(*ids) == [Status.LIVE if one % 4 else Status.GONE for one in ids]
    assert await scheduled(mirror) == {}
    for review_id in ids:
        expected = ["first_seen", "vanished", "reappeared" if review_id % 4 else "gone"]
        assert await mirror.kinds(review_id) == expected


async def test_more_absences_than_one_round_takes_are_all_checked(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirror.storage.absences.CHECKS_AT_A_TIME", 3)
    for review_id in range(1, 11):
        await mirror.vanish(review_id, business_id=str(review_id), partner=str(review_id))
    await mirror.later(GRACE)
    assert set(await mirror.statuses(*range(1, 11))) == {Status.GONE}


async def test_checks_wait_while_the_worker_catches_up(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    await mirror.vanish(34)
    mirror.now += GRACE
    claim, go_on = inbox.claim, asyncio.Event()

    async def slowly(store: Store) -> list[inbox.Claim]:
        await go_on.wait()
        return await claim(store)

    monkeypatch.setattr(inbox, "claim", slowly)
    catching_up = asyncio.create_task(mirror.drainer.run())
    await asyncio.sleep(0)
    monkeypatch.setattr("worker.watch.MAX_RUN_S", 0.05)
    await mirror.watch()
    assert await mirror.inbox() == []
    go_on.set()
    await catching_up
    await mirror.watch()
    assert (await mirror.record()).status is Status.GONE


async def test_a_random_life_replays_to_its_record_and_is_never_gone_while_it_is_live(mirror: Mirror) -> None:
    dice = random.Random(7)  # noqa: S311 - the same dice each time
    ids = range(1, 9)
    for _ in range(60):
        await dice.choice((mirror.show, mirror.vanish))(*dice.sample(ids, 3))
        await mirror.later(dice.choice((HOUR, DAY, GRACE // 2, GRACE)))
    gone = 0
    for review_id in ids:
        record, changes = await mirror.record(review_id), await mirror.changes(review_id)
        gone += sum(change.kind == "gone" for change in changes)
        again = replay(first_payload(record, changes), changes)
        assert again is not None
        assert record_view(msgspec.structs.replace(again, last_received_at=record.last_received_at)) == record_view(
            record
        )
    assert gone > 5
    assert (await inbox.backlog(mirror.store)).reviews == 0
    missing = {review_id for review_id in ids if (await mirror.record(review_id)).status is Status.MISSING}
    assert set(await scheduled(mirror)) == missing


async def test_the_schedule_costs_a_missing_review_little_memory(store: Store) -> None:
    ids = range(1_000_000, 1_000_500)
    for review_id in ids:
        await store.redis.zadd(keys.ABSENCES, {str(review_id): START + review_id})
    assert await store.redis.memory_usage(keys.ABSENCES, samples=0) / len(ids) < 120


async def test_a_worker_takes_up_at_its_start_what_became_due_while_none_ran(store: Store, redis_url: str) -> None:
    settings = make_settings(DELETION_GRACE="1ms")
    entry = Entry(make_delivery_id(START, 1), START, Source.WEBHOOK, make_body(make_deletion(make_review(34))))
    await inbox.accept(store, [(34, entry)])

    async def gone() -> bool:
        record = await reads.record(store, 34)
        return record is not None and record.status is Status.GONE

    async with running_worker(settings, redis_url):
        await wait_until(gone, patience=5)


async def test_a_look_at_absences_that_redis_breaks_off_is_logged_and_not_more(
    mirror: Mirror, lines: list[EventDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise StorageUnavailableError("gone away")

    monkeypatch.setattr(mirror.store.redis, "zrangebyscore", fail)
    await watch_absences(job_context(mirror.store, mirror.drainer, grace=GRACE))
    assert [line["event"] for line in lines] == ["watch.interrupted"]
