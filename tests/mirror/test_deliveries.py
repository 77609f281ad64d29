"""Raw deliveries stay for a while after they were applied."""

import pytest

from mirror.clock import now_ms
from mirror.domain.record import Windows
from mirror.domain.replaying import compare
from mirror.storage import deliveries, inbox, keys, rebuilding, server
from mirror.storage.deliveries import RoomMaker
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


async def test_of_identical_copies_that_change_nothing_only_the_last_stays(store: Store) -> None:
    first, second = (make_body(review) for review in STORY[:2])
    for bodies in ([first], [first], [first], [first] * 9, [second, second, second, first, first, first]):
        await accept(store, 34, *bodies)
        await drain(store)
    assert [entry.body for entry in await kept(store, 34)] == [first, first, second, second, first, first]


async def test_leaving_copies_out_makes_no_difference_to_a_replay(store: Store) -> None:
    for review in (STORY[0], STORY[0], STORY[0], STORY[1], STORY[1], STORY[1], STORY[2], STORY[2], STORY[2]):
        await mirror(store, review)
    stored, _ = await rebuilding.read(store, 34)
    compared = compare(stored, Windows())
    assert len(stored.deliveries) == 6
    assert (compared.inexact, compared.mismatches, compared.uncertain) == (None, [], [])


async def test_a_copy_in_another_notation_stays(store: Store) -> None:
    await mirror(store, STORY[0])
    for space in (b" ", b"  ", b"   "):
        await accept(store, 34, make_body(STORY[0]) + space)
        await drain(store)
    assert len(await kept(store, 34)) == 4


async def test_of_one_review_the_newest_hundred_stay(store: Store) -> None:
    reviews = [make_review(rating=1 + number % 5, content=str(number)) for number in range(130)]
    await mirror(store, *reviews)
    await mirror(store, make_review(content="one more"))
    stayed = [entry.body for entry in await kept(store, 34)]
    assert stayed == [make_body(review) for review in [*reviews[31:], make_review(content="one more")]]


async def test_what_is_kept_goes_once_newer_deliveries_are_not_kept(store: Store) -> None:
    await mirror(store, STORY[0])
    await mirror(store, STORY[1], retention=0)
    assert await kept(store, 34) == []


async def test_the_list_of_reviews_with_kept_deliveries_ends_with_these(store: Store) -> None:
    await mirror(store, make_review(1))
    await store.redis.zadd(keys.KEPT, {"2": now_ms() - 3 * DAY})
    await mirror(store, make_review(3))
    assert sorted(await store.redis.zrange(keys.KEPT, 0, -1)) == [b"1", b"3"]


def memory(monkeypatch: pytest.MonkeyPatch, *shares: float) -> None:
    """Have the server tell of these shares of its limit, one after the other."""
    told = iter(shares)

    async def memory(_store: Store) -> server.Memory:
        return server.Memory(int(next(told) * 1_000_000), 1_000_000)

    monkeypatch.setattr(server, "memory", memory)


async def with_deliveries(store: Store) -> list[int]:
    return sorted({review_id async for ids, _ in deliveries.reviews(store) for review_id in ids})


async def test_where_memory_is_scarce_the_oldest_deliveries_go_until_there_is_room(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        await mirror(store, make_review(number))
    await store.redis.zadd(keys.KEPT, {str(number): now_ms() + number for number in range(6)})
    monkeypatch.setattr(deliveries, "DROP_STEP", 2)
    memory(monkeypatch, 0.86, 0.82, 0.79)
    assert (await RoomMaker(store).make_room())[1] == 4
    assert await with_deliveries(store) == [4, 5]


async def test_where_there_is_room_all_stay(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await mirror(store, make_review())
    memory(monkeypatch, 0.84)
    assert (await RoomMaker(store).make_room())[1] == 0
    assert await with_deliveries(store) == [34]


async def test_deliveries_that_an_earlier_release_kept_go_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await mirror(store, *(make_review(number) for number in range(9)))
    await store.redis.delete(keys.KEPT)
    memory(monkeypatch, *[0.9] * 99)
    monkeypatch.setattr(deliveries, "MAX_DROP_STEPS", 90)
    room_maker = RoomMaker(store)
    assert (await room_maker.make_room())[1] == 9
    assert await with_deliveries(store) == []
    assert (await room_maker.make_room())[1] == 0


async def test_where_none_are_left_and_memory_stays_scarce_no_new_ones_are_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory(monkeypatch, *[0.9] * 9)
    await mirror(store, make_review())
    assert await kept(store, 34) == []
