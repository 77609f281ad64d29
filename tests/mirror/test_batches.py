"""What scripts do once for all reviews of a batch is right for each of them."""

from mirror.clock import now_ms
from mirror.domain.changes import Source
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.storage import counters, inbox, keys
from mirror.storage.commit import Commit, commit
from mirror.storage.store import Store
from tests.mirror.mirrored import accept, drain
from tests.support import make_body, make_review
from worker.deciding import Policy, decide


async def test_any_number_of_deliveries_is_accepted_in_one_write(store: Store) -> None:
    now, reviews = now_ms(), range(1_201)
    entries = [
        (one, Entry(make_delivery_id(now, one), now, Source.WEBHOOK, make_body(make_review(one)))) for one in reviews
    ]
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


def _decide(claim: inbox.Claim) -> Commit:
    decided = decide(claim, Policy(), {})
    assert decided is not None
    return decided
