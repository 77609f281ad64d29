"""Partoo is asked where a delivery cannot tell: what its answers change, and that its faults change nothing."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from mirror.clock import now_ms
from mirror.domain.reading import MAX_LAG_MS, OMITTED_MS
from mirror.domain.record import Record
from mirror.partoo.search import Answer
from mirror.storage import dead_letters, keys, reads, verification
from mirror.storage.store import Store
from tests.conftest import running_worker
from tests.mirror.partoo.conftest import KEY, Mirror, Partoo
from tests.support import Client, make_body, make_deletion, make_review, make_settings, send, wait_until
from worker import verification as asking
from worker.deciding import Policy
from worker.drain import Drainer

LIVE = make_review()
DELETED = make_deletion(LIVE)
BACK_TOO_SOON = (LIVE, DELETED, LIVE)


async def record_of(mirror: Mirror, review_id: int = 34) -> Record:
    record = await reads.record(mirror.store, review_id)
    assert record is not None
    return record


async def kinds(mirror: Mirror, review_id: int = 34) -> list[tuple[str, str]]:
    found = await reads.record_and_changes(mirror.store, review_id)
    assert found is not None
    return [(str(change.kind), str(change.source)) for change in found[1]]


def events(logs: list[Any], prefix: str = "verification.") -> list[str]:
    return [str(line["event"]).removeprefix(prefix) for line in logs if str(line["event"]).startswith(prefix)]


async def test_a_late_copy_taken_for_a_return_is_put_right(mirror: Mirror, partoo: Partoo) -> None:
    partoo.reviews.put(DELETED)
    await mirror.tell(*BACK_TOO_SOON)
    assert (await record_of(mirror)).ambiguous
    await mirror.verify()
    assert (await record_of(mirror)).ambiguous  # one answer may show the absence because the search is behind
    mirror.later(60_000)
    await mirror.verify()
    record = await record_of(mirror)
    # Unproven, as the search may lag: so a second question is due once it must have caught up.
    assert (str(record.status), str(record.certainty), record.review) == ("missing", "unproven", DELETED)
    assert (await kinds(mirror))[-2:] == [("reappeared", "webhook"), ("vanished", "verification")]
    due = await mirror.store.redis.zscore(keys.VERIFY, "34")
    assert due == record.delivered_at + MAX_LAG_MS


async def test_a_return_that_a_lagging_search_does_not_show_yet_is_not_set_back(mirror: Mirror, partoo: Partoo) -> None:
    partoo.reviews.put(DELETED)
    await mirror.tell(LIVE, ago_ms=90_000)
    await mirror.tell(DELETED, ago_ms=60_000)
    await mirror.tell(LIVE, ago_ms=5_000)
    assert (await record_of(mirror)).ambiguous
    await mirror.verify()
    record = await record_of(mirror)
    assert (str(record.status), record.ambiguous, record.version) == ("live", True, 3)
    assert await verification.count(mirror.store) == 1


async def test_a_quick_return_that_is_one_is_confirmed(mirror: Mirror, partoo: Partoo) -> None:
    partoo.reviews.put(LIVE)
    await mirror.tell(*BACK_TOO_SOON)
    await mirror.verify()
    record = await record_of(mirror)
    assert (str(record.status), record.ambiguous) == ("live", False)
    assert (await kinds(mirror))[-1] == ("confirmed", "verification")


async def test_a_late_first_delivery_with_the_same_clock_is_put_right_though_it_is_not_ambiguous(
    mirror: Mirror, partoo: Partoo
) -> None:
    tagged = LIVE | {"tags": [{"id": 1, "label": "food"}]}
    partoo.reviews.put(tagged)
    await mirror.tell(tagged, LIVE)
    assert str((await record_of(mirror)).certainty) == "unproven"
    await mirror.verify()
    assert (await record_of(mirror)).review == LIVE
    mirror.later(MAX_LAG_MS)
    await mirror.verify()
    record = await record_of(mirror)
    assert (record.review, str(record.certainty)) == (tagged, "proven")
    assert await verification.count(mirror.store) == 0


async def test_a_record_that_cannot_be_read_holds_up_no_other_question_and_is_asked_about_later(
    mirror: Mirror, partoo: Partoo
) -> None:
    for number in (34, 35):
        live = make_review(number)
        partoo.reviews.put(live)
        await mirror.tell(live, make_deletion(live), live)
    await mirror.store.redis.set(keys.record(34), b"garbage")
    with capture_logs() as logs:
        await mirror.verify()
    assert [line["review_id"] for line in logs if line["event"] == "record.corrupt"] == [34]
    assert not (await record_of(mirror, 35)).ambiguous
    assert await verification.count(mirror.store) == 1


async def test_the_questions_of_one_business_are_asked_together(mirror: Mirror, partoo: Partoo) -> None:
    for number in range(20):
        live = make_review(number)
        partoo.reviews.put(live)
        await mirror.tell(live, make_deletion(live), live)
    await mirror.verify()
    assert [request["page"] for request in partoo.requests] == ["1"]
    assert partoo.requests[0]["business__in"] == LIVE["business_id"]
    for number in range(20):
        assert not (await record_of(mirror, number)).ambiguous


async def test_nobody_is_asked_about_what_is_proven(mirror: Mirror, partoo: Partoo) -> None:
    await mirror.tell(LIVE, make_review(update_date="2025-09-05T10:00:00Z", rating=1))
    await mirror.verify()
    assert partoo.requests == []


async def test_newer_news_closes_a_question(mirror: Mirror, partoo: Partoo) -> None:
    # Newer than the deletion too, which it may else be older than.
    await mirror.tell(*BACK_TOO_SOON, make_review(update_date="2025-09-11T10:00:00Z", rating=1))
    await mirror.verify()
    assert partoo.requests == []
    assert not (await record_of(mirror)).ambiguous


@pytest.mark.parametrize(
    "faults",
    [{"failing": 1.0}, {"hanging": 1.0, "hang_s": 1.0}, {"truncated": 1.0}, {"too_many": 1.0}],
    ids=["500", "hangs", "truncated", "429"],
)
async def test_while_partoo_cannot_answer_nothing_changes_and_it_is_asked_again(
    mirror: Mirror, partoo: Partoo, faults: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "FIRST_RETRY_MS", 1)
    partoo.reviews.put(DELETED)
    partoo.behave(**faults)
    await mirror.tell(*BACK_TOO_SOON)
    before = await record_of(mirror)
    with capture_logs() as logs:
        await mirror.verify()
    assert await record_of(mirror) == before
    assert await verification.count(mirror.store) == 1
    assert {"failed", "listing_shifted"} & set(events(logs))

    partoo.behave(failing=0.0, hanging=0.0, truncated=0.0, too_many=0.0)
    for _ in range(3):  # one answer is not enough: see above
        mirror.later(60_000)
        await mirror.verify()
    assert str((await record_of(mirror)).status) == "missing"


async def test_after_a_429_nobody_asks_before_the_time_that_partoo_named(mirror: Mirror, partoo: Partoo) -> None:
    partoo.behave(too_many=1.0)
    await mirror.tell(*BACK_TOO_SOON)
    await mirror.verify()
    partoo.behave(too_many=0.0)
    asked = len(partoo.requests)
    waited = asyncio.create_task(mirror.verifier.api.page({}, 1))
    await asyncio.sleep(0.5)
    assert len(partoo.requests) == asked
    await waited
    assert len(partoo.requests) == asked + 1


async def test_a_review_that_both_searches_omit_stays_as_it_is_and_is_asked_about_until_it_is_old(
    mirror: Mirror, partoo: Partoo
) -> None:
    await mirror.tell(*BACK_TOO_SOON)
    before = await record_of(mirror)
    assert before.ambiguous
    asked: list[str] = []
    for _ in range(100):
        with capture_logs() as logs:
            await mirror.verify()
        asked += events(logs)
        if "omitted" in asked:
            break
        mirror.later(asking.FIRST_RETRY_MS * 2 ** len(asked))
    assert await record_of(mirror) == before
    assert asked == ["asked", "not_shown_yet"] * (len(asked) // 2 - 1) + ["asked", "omitted"]
    assert len(asked) > 4
    assert mirror.now_ms() >= before.last_changed_at + OMITTED_MS
    assert await verification.count(mirror.store) == 0
    assert [request.get("state") for request in partoo.requests[:2]] == [None, "deleted"]


async def test_a_wrong_key_is_an_error_in_the_log_and_the_question_stays(mirror: Mirror, partoo: Partoo) -> None:
    partoo.behave(key="another")
    await mirror.tell(*BACK_TOO_SOON)
    with capture_logs() as logs:
        await mirror.verify()
    assert [(line["event"], line["log_level"]) for line in logs if line["event"].startswith("verif")] == [
        ("verification.failed", "error")
    ]
    assert "PARTOO_API_KEY" in logs[-1]["error"]
    assert KEY not in str(logs)
    assert await verification.count(mirror.store) == 1


async def test_a_delivery_accepted_after_the_question_is_not_overwritten(mirror: Mirror, partoo: Partoo) -> None:
    partoo.reviews.put(DELETED)
    await mirror.tell(*BACK_TOO_SOON)
    await mirror.verifier.run()
    edited = LIVE | {"title": "accepted after Partoo was asked"}
    await mirror.tell(edited)
    # The answer waits before the delivery, and is applied; the delivery comes after it and counts.
    assert (await record_of(mirror)).review == edited
    assert await verification.count(mirror.store) == 1


async def test_without_a_key_no_question_is_put_and_the_ambiguity_stays_visible(mirror: Mirror) -> None:
    mirror.drainer = Drainer(mirror.store, Policy())
    await mirror.tell(*BACK_TOO_SOON)
    assert (await record_of(mirror)).ambiguous
    assert await verification.count(mirror.store) == 0


async def test_a_claimed_question_is_nobody_elses_until_its_lease_ends(mirror: Mirror) -> None:
    await mirror.tell(*BACK_TOO_SOON)
    now = now_ms()
    [question] = await verification.claim(mirror.store, now)
    assert await verification.claim(mirror.store, now) == []
    [again] = await verification.claim(mirror.store, now + verification.LEASE_MS)
    # Whoever held it before cannot end the claim of the one who holds it now.
    await verification.release(mirror.store, question, None)
    assert await verification.count(mirror.store) == 1
    await verification.release(mirror.store, again, None)
    assert await verification.count(mirror.store) == 0


async def test_failures_in_a_row_are_counted_and_an_answer_ends_the_row(mirror: Mirror, partoo: Partoo) -> None:
    await mirror.tell(*BACK_TOO_SOON)
    for failures in range(3):
        now = now_ms()
        [question] = await verification.claim(mirror.store, now)
        assert question.failures == failures
        await verification.release(mirror.store, question, now, failed=True)
    partoo.reviews.put(LIVE)
    await mirror.verify()
    assert await mirror.store.redis.execute_command("HLEN", keys.VERIFY_FAILURES) == 0


async def test_a_new_question_does_not_wait_as_long_as_an_old_one_that_has_failed_often(
    mirror: Mirror, partoo: Partoo
) -> None:
    for number in (34, 35):
        live = make_review(number)
        await mirror.tell(live, make_deletion(live), live)
    await mirror.store.redis.execute_command("HSET", keys.VERIFY_FAILURES, "34", "6")
    partoo.behave(failing=1.0)
    await mirror.verify()
    old, new = [(await mirror.store.redis.zscore(keys.VERIFY, number) or 0) - now_ms() for number in ("34", "35")]
    assert new < 15_000
    assert old > 400_000


async def test_the_worker_asks_by_itself_once_the_delay_is_over(
    service: Client, partoo: Partoo, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirror.domain.reading.OVERTAKEN_MS", 0)
    partoo.reviews.put(DELETED)
    settings = make_settings(
        PARTOO_API_URL=partoo.url, PARTOO_API_KEY=KEY, VERIFICATION_DELAY="300ms", PARTOO_API_RATE="60000"
    )
    async with running_worker(settings, redis_url):
        for review in BACK_TOO_SOON:
            assert (await send(service, make_body(review))).status == 200

        async def is_missing() -> bool:
            answer = await service.get("/reviews/34", headers={"Authorization": "Bearer a-token-for-tests"})
            shown = await answer.json()
            return bool(shown.get("version") == 4 and shown["status"] == "missing")

        await wait_until(is_missing)
    metrics = await (await service.get("/metrics")).text()
    assert 'reviewmirror_verification_results_total{result="answered"} 2.0' in metrics


async def test_questions_that_come_one_after_the_other_are_gathered_for_the_delay(
    service: Client, partoo: Partoo, redis_url: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirror.domain.reading.OVERTAKEN_MS", 0)
    settings = make_settings(
        PARTOO_API_URL=partoo.url, PARTOO_API_KEY=KEY, VERIFICATION_DELAY="500ms", PARTOO_API_RATE="60000"
    )
    async with running_worker(settings, redis_url):
        for number in range(40):
            live = make_review(number)
            partoo.reviews.put(live)
            for review in (live, make_deletion(live), live):
                assert (await send(service, make_body(review))).status == 200
            await asyncio.sleep(0.02)

        async def are_closed() -> bool:
            records = await reads.records(store, range(40))
            return all(isinstance(record, Record) and not record.ambiguous for record in records)

        await wait_until(are_closed)
    # About two seconds of them, one business: a few requests, not one for each question.
    assert len(partoo.requests) <= 12


async def test_a_listing_that_takes_too_long_keeps_no_other_business_waiting(
    mirror: Mirror, partoo: Partoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "MAX_ASK_S", 0.5)
    for number in range(600):
        partoo.reviews.put(make_review(1_000 + number, business_id="a-large-one"))
    partoo.latency_s = 0.1
    large, small = make_review(1, business_id="a-large-one"), make_review(2, business_id="b-small-one")
    partoo.reviews.put(small)
    for review in (large, small):
        await mirror.tell(review, make_deletion(review), review)
    with capture_logs() as logs:
        await mirror.verify()
    assert [line["business_id"] for line in logs if line["event"] == "verification.failed"] == ["a-large-one"]
    assert not (await record_of(mirror, 2)).ambiguous
    # Asked again later, and later each time.
    assert await mirror.store.redis.execute_command("HGET", keys.VERIFY_FAILURES, "1") == b"1"


async def test_a_deletion_that_names_no_business_is_asked_about_in_the_one_that_it_had(
    mirror: Mirror, partoo: Partoo
) -> None:
    partoo.reviews.put(DELETED)
    await mirror.tell(LIVE, {"id": 34, "state": "deleted"})
    await mirror.verify()
    assert {request.get("business__in") for request in partoo.requests} == {LIVE["business_id"]}
    assert all("update_date__gte" in request for request in partoo.requests)


@pytest.mark.parametrize("odd", ["2099-01-01T00:00:00Z", "2031-09-05 10:12", "1999-01-01T00:00:00Z"])
async def test_a_delivery_with_an_odd_clock_does_not_hide_the_review_from_the_question(
    mirror: Mirror, partoo: Partoo, odd: str
) -> None:
    truth = LIVE | {"rating": 5}
    partoo.reviews.put(truth)
    await mirror.tell(LIVE, LIVE | {"rating": 1, "update_date": odd})
    mirror.later(MAX_LAG_MS)
    await mirror.store.redis.zadd(keys.VERIFY, {"34": 0})
    await mirror.verify()
    assert (await record_of(mirror)).review["rating"] == 5


async def test_the_state_that_the_last_delivery_replaced_is_searched_for_too(mirror: Mirror, partoo: Partoo) -> None:
    first, second = LIVE, LIVE | {"rating": 1, "update_date": "2025-09-20T10:00:00Z"}
    partoo.reviews.put(first)
    await mirror.tell(first, second)
    mirror.later(MAX_LAG_MS)
    await mirror.store.redis.zadd(keys.VERIFY, {"34": 0})
    await mirror.verify()
    assert (await record_of(mirror)).review == first


async def test_a_listing_that_never_holds_still_is_asked_for_ever_more_rarely_and_not_given_up(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def shifting(*_arguments: Any) -> Answer:
        return Answer({}, held_still=False)

    monkeypatch.setattr(asking, "find", shifting)
    await mirror.tell(*BACK_TOO_SOON)
    for _ in range(asking.MAX_SHIFTED + 2):
        await mirror.store.redis.zadd(keys.VERIFY, {"34": 0})
        await mirror.verify()
    assert await verification.count(mirror.store) == 1
    due = await mirror.store.redis.zscore(keys.VERIFY, "34")
    assert due is not None
    assert due > now_ms() + 60_000


async def test_an_answer_that_no_worker_could_read_is_no_dead_letter_and_asked_for_again_later(
    mirror: Mirror, partoo: Partoo
) -> None:
    deep: Any = 1
    for _ in range(240):
        deep = [deep]
    partoo.reviews.put(make_review(comments=deep))
    await mirror.tell(*BACK_TOO_SOON)
    with capture_logs() as logs:
        await mirror.verify()
    assert "unreadable" in events(logs)
    assert await dead_letters.count(mirror.store) == 0
    due = await mirror.store.redis.zscore(keys.VERIFY, "34")
    assert due is not None
    assert due > now_ms() + asking.LAST_RETRY_MS / 2
