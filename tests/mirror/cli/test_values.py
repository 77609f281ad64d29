"""What a timeline shows of values that are long, and of tags."""

import time
from typing import Any

import pytest

from mirror.cli.values import field_lines
from mirror.domain.changes import Change, Kind, difference, redo, undo
from mirror.views import change_view
from tests.support import make_review

FOOD = {"id": 25, "label": "food", "color": "#808080"}
TILL = {"id": 26, "label": "till", "color": "#808080"}


def line_of(before: Any, after: Any, name: str = "content", width: int = 80) -> str:
    found = difference({name: before}, {name: after})
    (line,) = field_lines(Change(2, Kind.UPDATED, 0, "an-id", fields=found.fields), width)
    assert len(line) <= width
    return line.strip().removeprefix(name).strip()


def test_what_fits_is_shown_whole() -> None:
    assert line_of("good", "very good") == '"good" → "very good"'


@pytest.mark.parametrize("width", [60, 80, 200])
def test_of_long_values_the_place_where_they_part_is_shown(width: int) -> None:
    same = "Magasin un peu vieillot, mais personnel sympathique. " * 10
    assert line_of(f"{same}Bad.", f"{same}Good!", width=width) == '…ympathique. Bad." → …ympathique. Good!"'
    shown = line_of({"id": 1, "link": same, "content": "a" + same}, {"id": 1, "link": same, "content": "b" + same})
    assert '"a' in shown
    assert '"b' in shown


def test_a_long_value_that_was_only_added_to_shows_where_it_ends() -> None:
    assert line_of("x" * 100, "x" * 100 + " and more") == '…xxxxxxxxxxxx" → …xxxxxxxxxxxx and more"'


def test_of_two_long_values_that_part_at_once_the_beginnings_are_shown() -> None:
    assert line_of("a" * 100, "b" * 100).startswith('"aaaa')


def test_tags_are_told_by_their_labels() -> None:
    assert line_of([FOOD], [TILL], "tags") == "+ till, - food"
    assert line_of(None, [TILL], "tags") == "+ till"


def test_of_a_tag_that_kept_its_label_it_is_told_what_else_it_has() -> None:
    shown = line_of([FOOD, TILL], [FOOD | {"color": "#000000"}], "tags", width=160)
    assert shown == '+ {"id":25,"label":"food","color":"#000000"}, - {"id":25,"label":"food","color":"#808080"}, - till'


@pytest.mark.parametrize("other", [{"weird": 1}, "none", 3])
def test_tags_that_are_no_list_are_shown_as_any_other_value(other: Any) -> None:
    assert line_of([], other, "tags").startswith("[] → ")
    assert "food" in line_of(other, [FOOD], "tags", width=160)


def test_many_tags_and_many_fields_take_no_longer_each_than_a_few() -> None:
    """Comparing each with all others took 90 s for 42,000 tags."""
    tags = [{"id": number, "label": f"tag {number}"} for number in range(42_000)]
    fields = {f"field {number}": number for number in range(42_000)}
    before = make_review(tags=[{"id": 0, "label": "another"}])
    began = time.perf_counter()
    found = difference(before, before | fields | {"tags": tags})
    change = Change(2, Kind.UPDATED, 0, "an-id", fields=found.fields, added=found.added)
    assert len(list(field_lines(change, 80))) == 42_001
    assert undo(redo(before, change), change) == before
    assert change_view(change, None)["tags"]["added"] == tags
    assert time.perf_counter() - began < 10


def test_one_long_name_makes_no_other_line_long() -> None:
    found = difference({}, {"n" * 1_000: 1, "rating": 3})
    lines = list(field_lines(Change(2, Kind.UPDATED, 0, "an-id", fields=found.fields), 80))
    assert len(lines[1]) <= 80
