"""The read API: lists of reviews, their filters and pages."""

import random
from typing import Any

import pytest

from mirror.storage.store import Store
from tests.service.support import START, apply, ids_in, list_ids, read
from tests.support import Client, make_body, make_deletion, make_review

HOUR = 3_600_000


def many_ids() -> list[int]:
    """Make 300 ids of all lengths."""
    chance = random.Random(34)  # noqa: S311 - reproducible on purpose
    some = {chance.randrange(10**length) for length in range(1, 19) for _ in range(20)}
    return [*sorted({0, 9, 10, 99, 100, *some})[:299], 2**63 - 1]


async def test_an_empty_mirror_lists_nothing(service: Client) -> None:
    nothing: dict[str, Any] = {"reviews": [], "next": None, "cursor": "0-0"}
    assert await read(service, "/reviews") == nothing
    assert await read(service, "/reviews", business_id="a", status="live", partner="b") == nothing


@pytest.mark.parametrize("limit", [1, 37, 200])
async def test_every_review_is_listed_once_in_the_order_of_the_ids(service: Client, store: Store, limit: int) -> None:
    ids = many_ids() if limit > 1 else many_ids()[::15]
    shuffled = random.Random(1).sample(ids, len(ids))  # noqa: S311 - reproducible on purpose
    await apply(store, *((review_id, START, make_body(make_review(review_id))) for review_id in shuffled))
    assert await list_ids(service, limit=limit) == ids


async def test_every_review_is_listed_once_also_while_their_statuses_change_between_the_pages(
    service: Client, store: Store
) -> None:
    ids = many_ids()
    chance = random.Random(2)  # noqa: S311 - reproducible on purpose
    await apply(store, *((review_id, START, make_body(make_review(review_id))) for review_id in ids))
    deleted: set[int] = set()
    seen: list[int] = []
    cursor: dict[str, str] = {}
    for number in range(1, 100):
        page = await read(service, "/reviews", limit=37, **cursor)
        seen += ids_in(page["reviews"])
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
        flipped = chance.sample(ids, 60)
        await apply(store, *((one, START + number * HOUR, body_after(one, deleted, number)) for one in flipped))
        deleted ^= set(flipped)
    assert seen == ids


def body_after(review_id: int, deleted: set[int], number: int) -> bytes:
    live = make_review(review_id)
    return make_body(live if review_id in deleted else make_deletion(live, f"2025-09-12T00:00:{number:02d}Z"))


async def test_a_review_that_stays_live_is_listed_once_among_the_live_while_others_come_and_go(
    service: Client, store: Store
) -> None:
    await apply(store, *((one, START, make_body(make_review(one))) for one in range(100)))
    first = await read(service, "/reviews", status="live", limit=40)
    assert ids_in(first["reviews"]) == list(range(40))
    gone = [one for one in range(100) if one % 2]
    await apply(store, *((one, START + HOUR, make_body(make_deletion(make_review(one)))) for one in gone))
    second = await read(service, "/reviews", status="live", limit=40, cursor=first["next"])
    assert ids_in(second["reviews"]) == list(range(40, 100, 2))
    assert await list_ids(service, status="missing", limit=7) == gone


async def test_the_filters_can_be_combined(service: Client, store: Store) -> None:
    reviews = [
        make_review(1, business_id="a", partner="facebook"),
        make_review(2, business_id="a", partner="tripadvisor"),
        make_review(3, business_id="b", partner="facebook"),
        make_deletion(make_review(4, business_id="a", partner="facebook")),
        make_review(5, business_id=..., partner=None),
    ]
    await apply(store, *((review["id"], START, make_body(review)) for review in reviews))
    assert await list_ids(service) == [1, 2, 3, 4, 5]
    assert await list_ids(service, business_id="a") == [1, 2, 4]
    assert await list_ids(service, partner="facebook") == [1, 3, 4]
    assert await list_ids(service, status="live") == [1, 2, 3, 5]
    assert await list_ids(service, status="missing") == [4]
    assert await list_ids(service, status="gone") == []
    assert await list_ids(service, business_id="a", partner="facebook") == [1, 4]
    assert await list_ids(service, business_id="a", partner="facebook", status="live") == [1]
    assert await list_ids(service, business_id="a", partner="facebook", status="live", limit=1) == [1]
    assert await list_ids(service, business_id="nobody") == []
    assert await list_ids(service, partner="nobody") == []


async def test_a_review_that_moved_is_found_where_it_is_now(service: Client, store: Store) -> None:
    await apply(
        store,
        (34, START, make_body(make_review(business_id="a", partner="facebook"))),
        (34, START + 1, make_body(make_review(business_id="b", partner="tripadvisor"))),
    )
    assert await list_ids(service, business_id="a") == []
    assert await list_ids(service, partner="facebook") == []
    assert await list_ids(service, business_id="b", partner="tripadvisor") == [34]
    assert await list_ids(service) == [34]


async def test_a_filter_with_a_whole_value_finds_also_what_is_longer_than_an_index_keeps(
    service: Client, store: Store
) -> None:
    review = make_review(partner="p" * 130, business_id="b" * 130)
    await apply(store, (34, START, make_body(review)))
    for name in ("partner", "business_id"):
        assert await list_ids(service, **{name: review[name]}) == [34]
