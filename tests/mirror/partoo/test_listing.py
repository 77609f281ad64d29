"""Where a listing ends, and when it proves that a review is not in it."""

from collections.abc import Callable

import pytest

from mirror.partoo.answers import Page
from mirror.partoo.errors import ApiUnavailableError
from mirror.partoo.listing import MAX_GROWTH, Listing, turn_pages
from tests.support import make_review


def page(number: int, ids: list[int], max_page: int, count: int = 0, unreadable: int = 0) -> Page:
    return Page(number, max_page, count, [make_review(one) for one in ids], 0, unreadable)


async def turned(show: Callable[[int], Page], first: int = 1) -> list[int]:
    async def get(number: int, _before: Page | None) -> Page:
        return show(number)

    return [shown.page async for shown in turn_pages(get, first)]


async def test_the_pages_end_where_the_listing_does_also_if_it_shrinks_meanwhile() -> None:
    assert await turned(lambda number: page(number, [number], 4)) == [1, 2, 3, 4]
    assert await turned(lambda number: page(number, [number], 4), first=3) == [3, 4]
    assert await turned(lambda number: page(number, [number], 4 if number < 2 else 2)) == [1, 2]


async def test_an_empty_page_is_the_last_whatever_is_announced() -> None:
    assert await turned(lambda number: page(number, [number] if number < 3 else [], 1_000_000)) == [1, 2, 3]


async def test_a_page_that_repeats_the_one_before_is_the_last() -> None:
    assert await turned(lambda number: page(number, [1, 2], 1_000_000)) == [1, 2]


async def test_pages_that_hold_nothing_but_what_cannot_be_read_are_not_turned_for_ever() -> None:
    assert await turned(lambda number: page(number, [], 1_000_000, count=1_000_000, unreadable=30)) == [1, 2]


async def test_a_listing_that_moves_its_end_away_for_ever_is_an_error() -> None:
    with pytest.raises(ApiUnavailableError, match="does not end"):
        await turned(lambda number: page(number, [number], number + 1))
    assert len(await turned(lambda number: page(number, [number], min(number + 1, MAX_GROWTH)))) == MAX_GROWTH


@pytest.mark.parametrize(
    ("pages", "held_still", "unreadable"),
    [
        ([page(1, [1, 2], 1, count=2)], True, 0),
        ([page(1, [], 1, count=0)], True, 0),
        ([page(1, [1], 1, count=2)], False, 0),
        ([page(1, [1, 2], 2, count=4), page(2, [2, 3], 2, count=4)], False, 0),
        ([page(1, [1, 2], 2, count=4), page(2, [3], 2, count=3)], False, 0),
        ([page(1, [1], 1, count=2, unreadable=1)], True, 1),
    ],
    ids=["whole", "empty", "cut short", "repeats", "its count changes", "an item cannot be read"],
)
def test_only_a_whole_listing_proves_an_absence(pages: list[Page], unreadable: int, *, held_still: bool) -> None:
    listing = Listing()
    for one in pages:
        listing.add(one)
    assert (listing.held_still, listing.unreadable) == (held_still, unreadable)
