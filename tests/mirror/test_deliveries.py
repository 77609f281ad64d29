"""Raw deliveries stay for a while after they were applied."""

from mirror.storage import deliveries, inbox, keys
from mirror.storage.store import Store
from tests.mirror.mirrored import DAY, HOUR, accept, drain, kept, mirror
from tests.support import make_body, make_deletion, make_review

STORY = [make_review(), make_deletion(make_review()), make_review()]


async def test_applied_deliveries_stay_raw_in_their_order_and_leave_the_inbox(store: Store) -> None:
    await mirror(store, *STORY)
    stayed = await kept(store, 34)
    assert [entry.body for entry in stayed] == [make_body(review) for review in STORY]
    assert await inbox.waiting_for(store, 34) == 0


async def test_kept_deliveries_end_by_themselves_after_the_retention(store: Store) -> None:
    await mirror(store, *STORY, retention=2 * DAY)
    assert DAY < await store.redis.pttl(keys.deliveries(34)) <= 2 * DAY


async def test_older_ones_go_when_a_newer_one_is_applied(store: Store) -> None:
    await mirror(store, STORY[0], ago=25 * HOUR, retention=DAY)
    await mirror(store, STORY[1], ago=23 * HOUR, retention=DAY)
    assert [entry.body for entry in await kept(store, 34)] == [make_body(STORY[1])]


async def test_a_retention_of_nothing_keeps_nothing(store: Store) -> None:
    await mirror(store, *STORY, retention=0)
    assert await store.redis.exists(keys.deliveries(34)) == 0
    assert await inbox.waiting_for(store, 34) == 0


async def test_what_became_a_dead_letter_is_kept_there_only(store: Store) -> None:
    await accept(store, 34, make_body(STORY[0]), b"{}", make_body(STORY[1]))
    await drain(store)
    stayed = await kept(store, 34)
    assert [entry.body for entry in stayed] == [make_body(STORY[0]), make_body(STORY[1])]


async def test_every_review_with_kept_deliveries_is_found(store: Store) -> None:
    await mirror(store, *(make_review(number) for number in range(50)))
    found = {review_id async for ids, _ in deliveries.reviews(store) for review_id in ids}
    assert found == set(range(50))
