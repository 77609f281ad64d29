"""What scripts do once for all reviews of a batch is right for each of them."""

import secrets
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from mirror.clock import now_ms
from mirror.domain.changes import Source
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.storage import counters, inbox, keys, reads
from mirror.storage.commit import Commit, commit
from mirror.storage.errors import CommandRefusedError
from mirror.storage.store import Store
from tests.mirror.mirrored import accept, drain
from tests.support import make_body, make_review
from worker.deciding import Policy, decide


def entry_about(review_id: int, at: int) -> tuple[int, Entry]:
    return review_id, Entry(make_delivery_id(at, review_id), at, Source.WEBHOOK, make_body(make_review(review_id)))


async def test_any_number_of_deliveries_is_accepted_in_one_write(store: Store) -> None:
    now, reviews = now_ms(), range(1_201)
    entries = [entry_about(one, now) for one in reviews]
    await inbox.accept(store, entries)
    expected = {b"%d" % one for one in reviews}
    for index in (keys.WAITING, keys.DUE):
        assert set(await store.redis.zrange(index, 0, -1)) == expected
    await drain(store)
    assert (await inbox.backlog(store)).reviews == 0
    assert (await counters.read(store))["decisions:first_seen"] == len(reviews)


async def test_only_what_was_written_is_counted_and_taken_off_the_lists(store: Store) -> None:
    """Of five reviews one cannot be written and one is another worker's by now."""
    broken, taken, *well = range(1, 6)
    for review_id in (broken, taken, *well):
        await accept(store, review_id, make_body(make_review(review_id)))
    await store.redis.set(keys.changes(broken), "not a list")
    commits = {claim.review_id: _decide(claim) for claim in await inbox.claim(store)}
    await store.redis.execute_command("LPOP", keys.inbox(taken))
    answers = await commit(store, list(commits.values()), now_ms())
    outcome = dict(zip(commits, answers, strict=True))
    assert [outcome[one] for one in well] == [True] * len(well)
    assert outcome[taken] is False
    assert "WRONGTYPE" in str(outcome[broken])
    for index in (keys.WAITING, keys.DUE):
        assert set(await store.redis.zrange(index, 0, -1)) == {b"%d" % broken, b"%d" % taken}
    assert (await counters.read(store))["decisions:first_seen"] == len(well)


async def test_reviews_of_a_claim_are_not_due_before_its_lease_ends(store: Store) -> None:
    reviews = range(inbox.MAX_REVIEWS + 20)
    for review_id in reviews:
        await accept(store, review_id, make_body(make_review(review_id)))
    first, second, third = [await inbox.claim(store) for _ in range(3)]
    assert len(first) == inbox.MAX_REVIEWS
    assert {one.review_id for one in (*first, *second)} == set(reviews)
    assert third == []


@pytest.mark.parametrize("spoiled", [keys.inbox(2), keys.WAITING])
async def test_a_group_of_which_one_cannot_be_stored_is_not_stored_at_all_however_often_it_is_tried(
    store: Store, monkeypatch: pytest.MonkeyPatch, spoiled: str
) -> None:
    # The same token: the same write, tried again because its answer was lost.
    monkeypatch.setattr(secrets, "token_hex", lambda _bytes: "same")
    await store.redis.set(spoiled, "of another type")
    now = now_ms()
    group = [entry_about(one, now) for one in (1, 2)]
    for _ in range(2):
        with pytest.raises(CommandRefusedError, match="WRONGTYPE"):
            await inbox.accept(store, group)
    await store.redis.delete(spoiled)
    assert [await inbox.waiting_for(store, one) for one in (1, 2)] == [0, 0]
    assert (await inbox.backlog(store)).reviews == 0
    await inbox.accept(store, group)
    assert [await inbox.waiting_for(store, one) for one in (1, 2)] == [1, 1]


async def test_something_else_than_a_count_keeps_nothing_from_being_stored_applied_and_told(store: Store) -> None:
    for name in ("deliveries:accepted", "decisions:first_seen"):
        await store.redis.execute_command("HSET", keys.COUNTERS, name, "many")
    for review_id in (1, 2):
        await accept(store, review_id, make_body(make_review(review_id)))
    with capture_logs() as lines:
        await drain(store)
    assert [line["review_id"] for line in lines if line["event"] == "review.first_seen"] == [1, 2]
    assert (await inbox.backlog(store)).reviews == 0
    await counters.add(store, {"decisions:first_seen": 1, "ambiguous": 2})
    assert (await counters.read(store))["ambiguous"] == 2


@pytest.mark.parametrize("name", [keys.record(2), keys.inbox(2)])
async def test_a_key_of_another_type_holds_up_no_other_review(store: Store, name: str) -> None:
    for review_id in (1, 2, 3):
        await accept(store, review_id, make_body(make_review(review_id)))
    await store.redis.delete(name)
    await store.redis.execute_command("SADD", name, "a")
    with capture_logs() as lines:
        await drain(store)
    assert [line["review_id"] for line in lines if line["event"] == "review.first_seen"] == [1, 3]
    [failed] = [line for line in lines if line["event"] == "drain.review_failed"]
    assert (failed["review_id"], failed["corrupt"]) == (2, True)
    assert "WRONGTYPE" in failed["reason"]
    assert (await inbox.backlog(store)).reviews == 1


@pytest.mark.parametrize(
    "name", [keys.FEED, keys.PARTNERS, keys.VERIFY, keys.index("live", "google_my_business"), keys.DEAD_LETTERS]
)
async def test_a_key_of_another_type_that_a_commit_needs_later_leaves_no_half_of_it(store: Store, name: str) -> None:
    states = [make_review(1, rating=rating, update_date=f"2025-10-0{rating}T00:00:00Z") for rating in (1, 2, 3)]
    await store.redis.set(name, "of another type")
    await accept(store, 1, *map(make_body, states))
    with suppress(CommandRefusedError):
        await drain(store)
    assert await inbox.waiting_for(store, 1) == len(states)
    assert await reads.record(store, 1) is None

    await store.redis.delete(name)
    await store.redis.zadd(keys.DUE, {"1": 0})
    await drain(store)
    found = await reads.record_and_changes(store, 1)
    assert found is not None
    assert [change.version for change in found[1]] == [1, 2, 3]


async def test_a_commit_that_redis_refuses_is_told_waits_and_holds_up_no_other(store: Store) -> None:
    for review_id in (1, 2):
        await accept(store, review_id, make_body(make_review(review_id)))
    await store.redis.set(keys.changes(1), "not a list")
    with capture_logs() as lines:
        await drain(store)
    [failed] = [line for line in lines if line["event"] == "drain.commit_failed"]
    assert failed["review_id"] == 1
    assert "WRONGTYPE" in failed["error"]
    assert await inbox.waiting_for(store, 1) == 1
    assert [line["review_id"] for line in lines if line["event"] == "review.first_seen"] == [2]


def _decide(claim: inbox.Claim) -> Commit:
    decided = decide(claim, Policy(), {}, now_ms())
    assert decided is not None
    return decided
