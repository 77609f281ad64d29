"""Positions in the feed, and what its bounds say of a cursor."""

import pytest

from mirror.domain.feed import BEGINNING, Bounds, CursorExpiredError, Position

FIRST, LAST = Position(20, 3), Position(30)


def test_a_cursor_of_an_empty_feed_expires_once_what_followed_it_is_gone() -> None:
    Bounds(FIRST, LAST).check(BEGINNING)
    with pytest.raises(CursorExpiredError):
        Bounds(FIRST, LAST, trimmed=True).check(BEGINNING)


@pytest.mark.parametrize("first", [Position(20, 3), Position(20, 0)])
def test_who_begins_with_the_oldest_gets_all_that_is_kept(first: Position) -> None:
    bounds = Bounds(first, LAST, trimmed=True)
    assert bounds.oldest < first
    bounds.check(bounds.oldest)
    bounds.check(Position.read(str(bounds.oldest)))


def test_of_a_feed_of_which_nothing_is_kept_only_the_end_is_a_place_to_go_on() -> None:
    bounds = Bounds(None, LAST, trimmed=True)
    assert bounds.oldest == LAST
    with pytest.raises(CursorExpiredError):
        bounds.check(FIRST)


def test_a_cursor_beyond_the_end_is_of_another_feed() -> None:
    with pytest.raises(CursorExpiredError):
        Bounds(FIRST, LAST).check(Position(31))
