"""What webhooks did not tell is found: first sights, updates, deletions and returns."""

import pytest

from mirror.domain.changes import Source
from mirror.domain.lifecycle import Status
from mirror.reconciliation.scope import Scope
from mirror.storage.store import Store
from tests.mirror.reconciliation.support import (
    Ears,
    StartPartoo,
    accept,
    copy,
    counted,
    drain,
    everything,
    last_change,
    mirrored,
    record,
    reviews,
)
from tests.support import make_deletion


async def test_an_empty_mirror_is_filled_page_by_page(store: Store, start_partoo: StartPartoo) -> None:
    there = reviews(70)
    deleted = make_deletion(reviews(1, first=500)[0])
    partoo = await start_partoo(*there, deleted)
    ears = Ears()
    position = await partoo.reconcile(store, ears)
    assert counted(position) == {"first_seen": 71}
    assert ears.listings == [("plain", 70, 3), ("state=deleted", 1, 1)]
    await drain(store)
    for review in [*there, deleted]:
        assert (await record(store, review["id"])).review == review
    assert (await record(store, 500)).status is Status.MISSING
    assert (await last_change(store, 1)).source is Source.RECONCILIATION


async def test_whatever_was_missed_is_found_and_nothing_else_is_touched(
    store: Store, start_partoo: StartPartoo
) -> None:
    same, edited, deleted, back, still_gone = reviews(5)
    await mirrored(store, same, edited, deleted, make_deletion(back), make_deletion(still_gone))
    now_edited, now_deleted = copy(edited, rating=1), make_deletion(deleted)
    new = reviews(1, first=9)[0]
    partoo = await start_partoo(same, now_edited, now_deleted, back, make_deletion(still_gone), new)
    ears = Ears()
    before = await everything(store)
    position = await partoo.reconcile(store, ears)
    assert ears.outcomes() == {2: "updated", 3: "vanished", 4: "reappeared", 9: "first_seen"}
    assert counted(position) == {"same": 2, "updated": 1, "vanished": 1, "reappeared": 1, "first_seen": 1}
    await drain(store)
    assert [(await record(store, one)).review for one in (2, 3, 4, 9)] == [now_edited, now_deleted, back, new]
    assert [(await record(store, one)).ambiguous for one in (2, 3, 4, 9)] == [False] * 4
    after = await everything(store)
    unchanged = [key for key in before if key.startswith((b"rm:{1}", b"rm:{5}:changes"))]
    assert len(unchanged) == 3
    assert {key: before[key] for key in unchanged} == {key: after.get(key) for key in unchanged}
    # What Partoo says too is proven by it.
    assert [str((await record(store, one)).certainty) for one in (1, 5)] == ["proven"] * 2
    assert counted(await partoo.reconcile(store)) == {"same": 6}


async def test_only_names_of_fields_are_told(store: Store, start_partoo: StartPartoo) -> None:
    review = reviews(1)[0]
    await mirrored(store, review)
    ears = Ears()
    await (await start_partoo(copy(review, content="Oh!", tags=[{"id": 1}]))).reconcile(store, ears)
    assert [(verdict.review_id, verdict.fields) for verdict in ears.found] == [(1, ("content", "tags"))]


async def test_a_dry_run_finds_the_same_and_writes_nothing(store: Store, start_partoo: StartPartoo) -> None:
    same, edited, deleted = reviews(3)
    await mirrored(store, same, edited, deleted)
    partoo = await start_partoo(same, copy(edited, rating=1), make_deletion(deleted), *reviews(40, first=100))
    before = await everything(store)
    ears = Ears()
    await partoo.reconcile(store, ears, dry_run=True)
    assert {one: what for one, what in ears.outcomes().items() if one < 100} == {2: "updated", 3: "vanished"}
    assert len(ears.found) == 42
    assert await everything(store) == before


async def test_a_review_that_the_plain_search_shows_as_deleted_is_compared_once(
    store: Store, start_partoo: StartPartoo
) -> None:
    review, deleted = reviews(2)
    partoo = await start_partoo(review, make_deletion(deleted), deleted_in_search=True)
    assert counted(await partoo.reconcile(store)) == {"first_seen": 2}


async def test_only_the_businesses_asked_for_are_compared(store: Store, start_partoo: StartPartoo) -> None:
    partoo = await start_partoo(*reviews(1, 1, "b1"), *reviews(1, 2, "b2"), *reviews(1, 3, "b3"))
    ears = Ears()
    await partoo.reconcile(store, ears, Scope(businesses=("b1", "b3")))
    assert sorted(ears.outcomes()) == [1, 3]


async def test_only_what_was_updated_since_is_compared(store: Store, start_partoo: StartPartoo) -> None:
    old = reviews(1, update_date="2025-01-01T00:00:00+00:00")
    new = reviews(1, first=2, update_date="2025-09-01T00:00:00+00:00")
    partoo = await start_partoo(*old, *new)
    ears = Ears()
    august = 1_754_006_400_000_000
    await partoo.reconcile(store, ears, Scope(since=august))
    assert sorted(ears.outcomes()) == [2]


async def test_a_delivery_accepted_while_partoo_is_asked_is_not_overwritten(
    store: Store, start_partoo: StartPartoo
) -> None:
    review = reviews(1)[0]
    await mirrored(store, review)
    told = copy(review, rating=5)
    # What the listing shows is older than the delivery, with clocks that cannot tell.
    partoo = await start_partoo(copy(review, rating=1))
    await accept(store, told, ago_ms=0)
    position = await partoo.reconcile(store)
    assert counted(position) == {"updated": 1}
    await drain(store)
    assert (await record(store, 1)).review == told


async def test_a_delivery_applied_since_partoo_was_asked_is_seen_at_once(
    store: Store, start_partoo: StartPartoo
) -> None:
    review = reviews(1)[0]
    await accept(store, review, ago_ms=0)
    await drain(store)
    partoo = await start_partoo(copy(review, rating=1))
    assert counted(await partoo.reconcile(store)) == {"overtaken": 1}
    assert (await record(store, 1)).review == review


@pytest.mark.parametrize("odd", ["34", None, True, -1, 2**63])
async def test_a_review_without_a_valid_id_is_counted_and_left(
    store: Store, start_partoo: StartPartoo, odd: object
) -> None:
    partoo = await start_partoo(*reviews(1))
    good = partoo.source.reviews()
    shown = [*good, copy(reviews(1)[0], id=odd)] if isinstance(odd, int) else good
    partoo.source.reviews = lambda seconds_ago=0.0: shown  # type: ignore[method-assign]  # noqa: ARG005
    expected = {"first_seen": 1, "unreadable": 1} if isinstance(odd, int) else {"first_seen": 1}
    assert counted(await partoo.reconcile(store)) == expected
