"""What Partoo shows nowhere is only taken for deleted where nothing else explains it."""

from typing import Any

import pytest

from mirror.domain.lifecycle import Status
from mirror.reconciliation import absences
from mirror.reconciliation.scope import Scope
from mirror.storage.store import Store
from tests.mirror.reconciliation.support import (
    Ears,
    Partoo,
    StartPartoo,
    accept,
    copy,
    counted,
    drain,
    mirrored,
    record,
    reviews,
)
from tests.support import make_deletion


def reasons(ears: Ears) -> dict[int, str | None]:
    return {verdict.review_id: verdict.reason for verdict in ears.found}


def of_business(partoo: Partoo) -> list[str]:
    """Which search was asked for the business alone, request by request."""
    return [query.get("state", "") for query in partoo.queries if "business__in" in query]


async def test_a_review_that_two_passes_do_not_show_vanishes_in_doubt(store: Store, start_partoo: StartPartoo) -> None:
    there, gone = reviews(2)
    await mirrored(store, there, gone)
    partoo = await start_partoo(there)
    position = await partoo.reconcile(store)
    assert counted(position) == {"same": 1, "vanished": 1}
    assert of_business(partoo) == ["", "deleted", "", "deleted"]
    await drain(store)
    found = await record(store, 2)
    assert (found.status, found.ambiguous, found.last_live) == (Status.MISSING, True, gone)
    assert found.review == gone | {"state": "deleted"}


async def test_a_review_that_comes_back_after_that_is_live_again(store: Store, start_partoo: StartPartoo) -> None:
    there, gone = reviews(2)
    await mirrored(store, there, gone)
    partoo = await start_partoo(there)
    await partoo.reconcile(store)
    await drain(store)
    partoo.source.put(gone)
    # The absence was put into the inbox a moment ago.
    await store.redis.set("rm:{2}:record", (await store.redis.get("rm:{2}:record")).replace(b'_at":17', b'_at":16'))
    assert counted(await partoo.reconcile(store)) == {"same": 1, "reappeared": 1}
    await drain(store)
    found = await record(store, 2)
    assert (found.status, found.review, found.ambiguous) == (Status.LIVE, gone, False)


async def test_where_partoo_shows_deleted_reviews_one_it_shows_nowhere_stays_as_it_is(
    store: Store, start_partoo: StartPartoo
) -> None:
    there, omitted, deleted = reviews(3)
    await mirrored(store, there, omitted, make_deletion(deleted))
    ears = Ears()
    position = await (await start_partoo(there, make_deletion(deleted))).reconcile(store, ears)
    assert counted(position) == {"same": 2, "absent": 1}
    assert reasons(ears) == {2: absences.NOT_AMONG_DELETED}
    await drain(store)
    assert (await record(store, 2)).status is Status.LIVE


async def test_deletions_that_partoo_shows_in_no_search_are_found_as_absences(
    store: Store, start_partoo: StartPartoo
) -> None:
    there = reviews(40)
    await mirrored(store, *there)
    partoo = await start_partoo(*there, deleted_findable=False)
    for review in there[:3]:
        partoo.source.put(make_deletion(review))
    assert counted(await partoo.reconcile(store)) == {"same": 37, "vanished": 3}
    await drain(store)
    assert [(await record(store, one)).status for one in (1, 2, 3, 4)] == [Status.MISSING] * 3 + [Status.LIVE]


async def test_a_business_of_which_nothing_is_shown_says_nothing_of_its_reviews(
    store: Store, start_partoo: StartPartoo
) -> None:
    await mirrored(store, *reviews(1, 1, "b1"), *reviews(3, 10, "b2"))
    ears = Ears()
    position = await (await start_partoo(*reviews(1, 1, "b1"))).reconcile(store, ears)
    assert counted(position) == {"same": 1, "absent": 3}
    assert set(reasons(ears).values()) == {absences.NOTHING_SHOWN}


async def test_reviews_of_a_platform_that_is_not_connected_any_more_stay(
    store: Store, start_partoo: StartPartoo
) -> None:
    google, facebook = reviews(4), reviews(6, first=100, partner="facebook")
    await mirrored(store, *google, *facebook)
    ears = Ears()
    # One of Google's is omitted too, of which others are shown.
    position = await (await start_partoo(*google[1:])).reconcile(store, ears)
    assert counted(position) == {"same": 3, "vanished": 1, "absent": 6}
    assert {one: reasons(ears)[one] for one in range(100, 106)} == dict.fromkeys(
        range(100, 106), absences.NOTHING_OF_PARTNER
    )
    await drain(store)
    assert {(await record(store, review["id"])).status for review in facebook} == {Status.LIVE}


@pytest.mark.parametrize("item", [None, {"rating": 4}, {"id": 3, "rating": float("nan")}, {"id": 3, "title": "\ud83d"}])
async def test_where_an_item_cannot_be_read_nothing_is_taken_for_deleted(
    store: Store, start_partoo: StartPartoo, item: dict[str, Any] | None
) -> None:
    there = reviews(40)
    hidden, lost = reviews(2, first=200)
    await mirrored(store, *there, hidden, lost)
    partoo = await start_partoo(*there)
    partoo.odd_items = [item]
    ears = Ears()
    position = await partoo.reconcile(store, ears)
    assert counted(position) == {"same": 40, "unreadable": 1, "absent": 2}
    assert reasons(ears) == {200: absences.ITEM_UNREADABLE, 201: absences.ITEM_UNREADABLE}
    assert [items for _, items in ears.unreadable] == [1]
    await drain(store)
    assert {(await record(store, one)).status for one in (200, 201)} == {Status.LIVE}


async def test_photos_that_the_api_leaves_out_stay(store: Store, start_partoo: StartPartoo) -> None:
    photos = ["https://example.org/1.jpg"]
    [review] = reviews(1, media_links=photos)
    await mirrored(store, review)
    partoo = await start_partoo(copy(review, media_links=[]))
    assert counted(await partoo.reconcile(store)) == {"same": 1}
    await drain(store)
    assert (await record(store, 1)).review["media_links"] == photos
    assert {query["with_media_links"] for query in partoo.queries} == {"true"}


async def test_a_listing_that_shifts_each_time_proves_no_absence(store: Store, start_partoo: StartPartoo) -> None:
    there = reviews(65)
    gone = reviews(1, first=900)[0]
    await mirrored(store, *there, gone)
    partoo = await start_partoo(*there)
    moved = iter(there)

    def shift(query: dict[str, str]) -> None:
        if query.get("page") == "2":
            last = next(moved)
            partoo.source.put(copy(last, update_date=f"2025-10-01T00:00:{last['id']:02d}+00:00"))

    partoo.on_request = shift
    ears = Ears()
    position = await partoo.reconcile(store, ears)
    assert reasons(ears)[900] == absences.SHIFTED
    assert next(moved)["id"] == 1 + 1 + absences.MAX_PASSES
    assert position.counts["absent"] == 1
    assert "vanished" not in position.counts
    await drain(store)
    assert (await record(store, 900)).status is Status.LIVE


async def test_what_the_shifting_listing_passed_over_is_found_by_asking_again(
    store: Store, start_partoo: StartPartoo
) -> None:
    there = reviews(65)
    await mirrored(store, *there)
    last = copy(there[0], rating=1)
    partoo = await start_partoo(*there[1:], last)

    def move_to_the_front(query: dict[str, str]) -> None:
        # Between the second page and the third, the review on the third becomes the first of all.
        if query.get("page") == "3" and "business__in" not in query:
            partoo.source.put(copy(last, update_date="2025-10-01T00:00:00+00:00"))

    partoo.on_request = move_to_the_front
    ears = Ears()
    await partoo.reconcile(store, ears)
    assert ears.outcomes() == {1: "updated"}
    await drain(store)
    assert (await record(store, 1)).review["rating"] == 1


async def test_a_deletion_while_the_listing_is_read_passes_others_over_and_says_so(
    store: Store, start_partoo: StartPartoo
) -> None:
    partoo = await start_partoo(*reviews(65))

    def delete(query: dict[str, str]) -> None:
        if query.get("page") == "2":
            partoo.source.remove(65)

    partoo.on_request = delete
    position = await partoo.reconcile(store)
    assert position.passed_over == 1


async def test_a_delivery_accepted_since_the_run_began_makes_asking_needless(
    store: Store, start_partoo: StartPartoo
) -> None:
    there, late = reviews(2)
    await mirrored(store, there)
    partoo = await start_partoo(there)
    await accept(store, late, ago_ms=-10_000)
    await drain(store)
    assert counted(await partoo.reconcile(store)) == {"same": 1}
    assert of_business(partoo) == []


@pytest.mark.parametrize("business", [None, "a,b", "a b"])
async def test_a_review_of_a_business_that_cannot_be_asked_for_alone_stays(
    store: Store, start_partoo: StartPartoo, business: str | None
) -> None:
    there = reviews(1)[0]
    await mirrored(store, there, copy(there, id=2, business_id=business))
    ears = Ears()
    position = await (await start_partoo(there)).reconcile(store, ears)
    assert counted(position) == {"same": 1, "absent": 1}
    assert reasons(ears) == {2: absences.NO_BUSINESS}


@pytest.mark.parametrize(
    ("scope", "absent"),
    [
        (Scope(), [1, 2, 3]),
        (Scope(businesses=("b1",)), [1, 2]),
        (Scope(since=1_754_006_400_000_000), [2, 3]),
        (Scope(businesses=("b1",), since=1_754_006_400_000_000), [2]),
    ],
)
async def test_only_what_the_filters_cover_can_be_absent(
    store: Store, start_partoo: StartPartoo, scope: Scope, absent: list[int]
) -> None:
    august: dict[str, Any] = {"update_date": "2025-08-02T00:00:00+00:00"}
    old = reviews(1, 1, "b1", update_date="2025-07-01T00:00:00+00:00")
    gone = [*old, *reviews(1, 2, "b1", **august), *reviews(1, 3, "b2", **august)]
    there = [*reviews(1, 4, "b1", **august), *reviews(1, 5, "b2", **august)]
    await mirrored(store, *gone, *there)
    ears = Ears()
    await (await start_partoo(*there)).reconcile(store, ears, scope)
    assert ears.outcomes() == dict.fromkeys(absent, "vanished")


async def test_a_dry_run_tells_of_absences_and_leaves_them(store: Store, start_partoo: StartPartoo) -> None:
    there, gone = reviews(2)
    await mirrored(store, there, gone)
    ears = Ears()
    await (await start_partoo(there)).reconcile(store, ears, dry_run=True)
    assert ears.outcomes() == {2: "vanished"}
    await drain(store)
    assert (await record(store, 2)).status is Status.LIVE
