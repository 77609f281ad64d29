"""A review of which Redis holds what the mirror did not write: the worker and the commands name it, and go on."""

import argparse

import pytest

from mirror.cli import replay
from mirror.domain.record import Windows
from mirror.storage import corrupt, dead_letters, forgetting, inbox, keys, reads
from mirror.storage.retrying import Outcome, retry
from mirror.storage.store import Store
from tests.corrupt import BAD_HISTORIES, BAD_RECORDS
from tests.mirror.mirrored import accept, drain, mirror
from tests.support import make_body, make_review

NEWS = make_review(34, rating=1, update_date="2025-10-01T00:00:00Z")


@pytest.mark.parametrize("name", BAD_RECORDS)
async def test_nothing_is_built_on_a_record_that_cannot_be_read(store: Store, name: str) -> None:
    await mirror(store, make_review(33), make_review(34))
    await store.redis.set(keys.record(34), BAD_RECORDS[name])
    await accept(store, 34, make_body(NEWS))
    await mirror(store, make_review(35))

    assert await store.redis.get(keys.record(34)) == BAD_RECORDS[name]
    assert await store.redis.execute_command("HGETALL", keys.CORRUPT) == {b"34": BAD_RECORDS[name]}
    assert await store.redis.execute_command("LLEN", keys.changes(34)) == 1
    assert await inbox.waiting_for(store, 34) == 0
    assert await reads.record(store, 35) is not None
    assert await corrupt.reviews(store) == [34]

    [letter] = await dead_letters.read(store, await dead_letters.ids(store))
    assert (letter.code, letter.review_id, letter.body) == ("corrupt_record", 34, make_body(NEWS))
    assert (await retry(store, letter, Windows())).outcome is Outcome.UNREADABLE


async def test_a_record_with_a_newer_dictionary_is_left_to_a_worker_that_has_it(store: Store) -> None:
    await mirror(store, make_review(34))
    frame = await store.redis.get(keys.record(34)) or b""
    newer = frame[:5] + b"\x02" + frame[6:]
    await store.redis.set(keys.record(34), newer)
    await accept(store, 34, make_body(NEWS))
    await drain(store)
    assert await store.redis.get(keys.record(34)) == newer
    assert await dead_letters.count(store) == 0
    assert await inbox.waiting_for(store, 34) == 1


@pytest.mark.parametrize("name", BAD_RECORDS)
async def test_a_record_that_cannot_be_read_can_be_forgotten(store: Store, name: str) -> None:
    await mirror(store, make_review(34))
    await store.redis.set(keys.record(34), BAD_RECORDS[name])
    assert await forgetting.not_forgotten(store, [34]) == [34]
    await forgetting.demand(store, [34])
    await drain(store)
    assert await forgetting.not_forgotten(store, [34]) == []


@pytest.mark.parametrize("name", [name for name in BAD_HISTORIES if name != "none"])
async def test_a_replay_names_a_history_that_cannot_be_read_and_goes_on(store: Store, name: str) -> None:
    await mirror(store, make_review(33), make_review(34), make_review(35))
    await store.redis.delete(keys.changes(34))
    await store.redis.execute_command("RPUSH", keys.changes(34), *BAD_HISTORIES[name])
    # Its first delivery is not kept any more, so that the replay rests on the history.
    await store.redis.delete(keys.deliveries(34))
    await accept(store, 34, make_body(NEWS))
    await drain(store)
    options = argparse.Namespace(review=None, since=None, until=None, apply=False, json=False)
    report = await replay.replay(store, Windows(), options)
    assert {one.review_id for one in (*report.inexact, *report.different)} == {34}
    assert report.reviews >= 2
