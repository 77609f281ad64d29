"""Once in effect, in order, nothing lost: workers that die, run twice, or are never told."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from mirror.clock import now_ms
from mirror.domain.changes import Source
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.record import Delivery, Record, Windows
from mirror.domain.settling import settle
from mirror.settings import Settings
from mirror.storage import dead_letters, inbox, keys, reads
from mirror.storage.commit import Commit, commit
from mirror.storage.connection import connect
from mirror.storage.inbox_entries import decode_entry, encode_entry
from mirror.storage.packing import pack
from mirror.storage.store import Store
from mirror.views import record_view
from tests.conftest import running_worker
from tests.mirror.domain.stories import fold
from tests.process import processes
from tests.support import make_body, make_deletion, make_review, wait_until
from worker import jobs

EDITED = make_review(update_date="2025-09-04T10:00:00+02:00")
STORY = [make_review(rating=5, update_date=None), EDITED, EDITED, make_deletion(EDITED), EDITED]
KINDS = ["first_seen", "updated", "vanished", "reappeared"]


@pytest.fixture
async def second_store(settings: Settings, redis_url: str) -> AsyncIterator[Store]:
    store = Store(connect(settings, redis_url))
    yield store
    await store.close()


async def accept_story(store: Store, review_id: int = 34) -> list[Delivery]:
    """Put the story's deliveries into the inbox, and return them."""
    deliveries = []
    for number, review in enumerate(STORY):
        body = make_body(review | {"id": review_id})
        at = now_ms() + number
        entry = Entry(make_delivery_id(at, number), at, Source.WEBHOOK, body)
        await inbox.accept(store, [(review_id, entry)])
        deliveries.append(Delivery(entry.delivery_id, at, review | {"id": review_id}))
    return deliveries


def expected_record(deliveries: list[Delivery]) -> Record:
    return fold(None, deliveries, Windows())[-1].record


async def applied(store: Store, review_id: int = 34) -> tuple[Record, list[str]]:
    """Wait until nothing waits, and return the record with the kinds of its changes."""

    async def is_applied() -> bool:
        return (await inbox.backlog(store)).reviews == 0

    await wait_until(is_applied)
    found = await reads.record_and_changes(store, review_id)
    assert found is not None
    record, changes = found
    assert [change.version for change in changes] == list(range(1, len(changes) + 1))
    return record, [str(change.kind) for change in changes]


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_worker_killed_around_its_commit_neither_loses_nor_doubles_anything(
    moment: str, store: Store, settings: Settings, redis_url: str, tmp_path: Path
) -> None:
    deliveries = await accept_story(store)
    arguments = ["-m", "tests.process.crashing_worker", moment]
    crashing = processes.Process(arguments, processes.environment(redis_url), tmp_path / "log")
    assert crashing.popen.wait(processes.PATIENCE_S) == -signal.SIGKILL, crashing.output()
    assert await store.redis.exists(keys.record(34)) == (1 if moment == "after" else 0)

    async with running_worker(settings, redis_url):
        record, kinds = await applied(store)

    assert kinds == KINDS
    assert record == expected_record(deliveries)


async def test_the_same_claim_committed_by_two_workers_takes_effect_once(store: Store, second_store: Store) -> None:
    deliveries = await accept_story(store)
    outcomes = []
    for each in (store, second_store):
        await store.redis.zadd(keys.DUE, {"34": 0})
        (claimed,) = await inbox.claim(each)
        entries = [decode_entry(data) for data in claimed.entries]
        decided = settle(None, entries, Windows())
        outcomes.append((each, Commit(34, entries[0].delivery_id, entries[-1].delivery_id, len(entries), decided)))
    answers = [await commit(each, [decided], now_ms()) for each, decided in outcomes]

    assert answers == [[True], [False]]
    record, kinds = await applied(store)
    assert kinds == KINDS
    assert record == expected_record(deliveries)


async def test_a_claim_overtaken_by_a_new_delivery_still_applies_in_order(store: Store) -> None:
    await accept_story(store)
    (claimed,) = await inbox.claim(store)
    entries = [decode_entry(data) for data in claimed.entries]
    later = Entry(make_delivery_id(now_ms(), 77), now_ms(), Source.WEBHOOK, make_body(make_deletion(EDITED, None)))
    await inbox.accept(store, [(34, later)])
    decided = settle(None, entries, Windows())
    assert await commit(
        store, [Commit(34, entries[0].delivery_id, entries[-1].delivery_id, len(entries), decided)], now_ms()
    ) == [True]

    (claimed,) = await inbox.claim(store)

    assert [decode_entry(data).delivery_id for data in claimed.entries] == [later.delivery_id]


async def test_a_commit_touches_nothing_if_redis_has_lost_the_tail_of_what_was_read(store: Store) -> None:
    """As after a failover to a replica that lagged: a delivery accepted since stands where a lost one stood."""
    await accept_story(store)
    (claimed,) = await inbox.claim(store)
    entries = [decode_entry(data) for data in claimed.entries]
    await store.redis.execute_command("RPOP", keys.inbox(34))
    newer = Entry(make_delivery_id(now_ms(), 78), now_ms(), Source.WEBHOOK, make_body(EDITED | {"rating": 1}))
    await inbox.accept(store, [(34, newer)])
    one = Commit(34, entries[0].delivery_id, entries[-1].delivery_id, len(entries), settle(None, entries, Windows()))

    assert await commit(store, [one], now_ms()) == [False]
    assert await inbox.waiting_for(store, 34) == len(STORY)


async def test_an_inbox_that_redis_has_lost_does_not_wait_for_ever(store: Store) -> None:
    await accept_story(store)
    await store.redis.delete(keys.inbox(34))

    assert await inbox.claim(store) == []
    assert (await inbox.backlog(store)).reviews == 0


async def test_a_claim_is_bounded_in_bytes_also_for_one_review(store: Store) -> None:
    large = make_body(EDITED | {"content": "m" * 1_000_000})
    for number in range(12):
        at = now_ms()
        await inbox.accept(store, [(34, Entry(make_delivery_id(at, number), at, Source.WEBHOOK, large))])

    (claimed,) = await inbox.claim(store)

    assert sum(len(data) for data in claimed.entries) < inbox.MAX_BYTES + 2 * len(large)


async def test_a_record_that_a_newer_release_has_written_is_left_to_it(
    store: Store, settings: Settings, redis_url: str
) -> None:
    (first, *_) = await accept_story(store)
    record = msgspec.structs.replace(expected_record([first]), schema=99)
    await store.redis.set(keys.record(34), msgspec.json.encode(record))

    async with running_worker(settings, redis_url):
        await asyncio.sleep(0.5)

    assert await reads.record(store, 34) == record
    assert await inbox.waiting_for(store, 34) == len(STORY)


async def test_two_drains_side_by_side_on_many_reviews_take_effect_once(
    store: Store, settings: Settings, redis_url: str
) -> None:
    expected = {review_id: expected_record(await accept_story(store, review_id)) for review_id in range(300)}

    async with running_worker(settings, redis_url, "one"), running_worker(settings, redis_url, "two"):
        for review_id, record in expected.items():
            assert await applied(store, review_id) == (record, KINDS)


async def test_with_every_arq_key_deleted_the_sweep_catches_up(
    store: Store, settings: Settings, redis_url: str
) -> None:
    deliveries = await accept_story(store)
    await store.redis.enqueue_job("drain")
    arq_keys = await store.redis.keys("arq:*")
    assert arq_keys
    await store.redis.delete(*arq_keys)

    async with running_worker(settings, redis_url):
        record, kinds = await applied(store)

    assert kinds == KINDS
    assert record == expected_record(deliveries)


async def test_a_delivery_whose_nudge_was_lost_is_applied_by_a_worker_that_already_runs(
    store: Store, settings: Settings, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "SWEEP_SECONDS", frozenset(range(60)))
    async with running_worker(settings, redis_url):
        # The sweep of the start must be over.
        await asyncio.sleep(1)
        # accept() alone enqueues no job: whoever accepted died before the nudge.
        deliveries = await accept_story(store)
        record, kinds = await applied(store)

    assert kinds == KINDS
    assert record == expected_record(deliveries)


async def test_an_entry_that_this_release_cannot_read_becomes_a_dead_letter_and_holds_up_nothing(
    store: Store, settings: Settings, redis_url: str
) -> None:
    for number, body in enumerate(
        [make_body(EDITED), b'{"type": "review_updated", "payload": {}}', make_body(EDITED | {"rating": 1})]
    ):
        at = now_ms()
        await inbox.accept(store, [(34, Entry(make_delivery_id(at, number), at, Source.WEBHOOK, body))])

    async with running_worker(settings, redis_url):
        record, kinds = await applied(store)

    assert kinds == ["first_seen", "updated"]
    assert record.review["rating"] == 1
    assert await store.redis.execute_command("HLEN", keys.DEAD_LETTERS) == 1


async def test_a_corrupt_record_is_set_aside_holds_up_no_other_review_and_loses_no_delivery(
    store: Store, settings: Settings, redis_url: str
) -> None:
    await store.redis.set(keys.record(1), b"not a record")
    await accept_story(store, 1)
    deliveries = await accept_story(store, 2)

    async with running_worker(settings, redis_url):

        async def other_is_applied() -> Record | None:
            return await reads.record(store, 2)

        record = await wait_until(other_is_applied)

    assert record_view(record) == record_view(expected_record(deliveries))
    assert await inbox.waiting_for(store, 1) == 0
    kept = await dead_letters.read(store, await dead_letters.ids(store))
    came = {
        letter.body: 1 + earlier.count
        for letter, earlier in zip(kept, await dead_letters.copies(store, kept), strict=True)
    }
    assert came == Counter(make_body(review | {"id": 1}) for review in STORY)
    assert await store.redis.execute_command("HGETALL", keys.CORRUPT) == {b"1": b"not a record"}
    assert await store.redis.get(keys.record(1)) == b"not a record"


async def test_a_repeated_write_of_the_same_deliveries_stores_them_once(store: Store) -> None:
    at = now_ms()
    entry = Entry(make_delivery_id(at, 0), at, Source.WEBHOOK, make_body(EDITED))
    key_names = ["rm:accepted:same", keys.WAITING, keys.DUE, keys.NUDGE, keys.COUNTERS]
    packed = pack(["34", encode_entry(entry)])
    args = [1000, 1000, keys.REVIEW_PREFIX, keys.INBOX_SUFFIX, "deliveries:accepted", packed]
    for _ in range(2):
        await store.accept(keys=key_names, args=args)

    assert await inbox.waiting_for(store, 34) == 1
