"""Values compared by what they mean: instants in any notation, lists of things with ids as sets, and emptiness."""

from typing import Any

import pytest
from hypothesis import given, settings

from mirror.domain.values import is_empty, same
from tests.mirror.domain.strategies import JSON

FOOD = {"id": 1, "label": "food", "color": "#808080"}
STAFF = {"id": 2, "label": "staff", "color": "#112233"}
REPLY = {"id": 7, "content": "Merci", "date": "2025-09-04T10:00:00.654321+02:00"}


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("update_date", "2025-09-04T10:00:00.654321+02:00", "2025-09-04T08:00:00.654321Z"),
        ("update_date", "2025-09-04T10:00:00.654321+02:00", "2025-09-04T08:00:00.654+00:00"),
        ("update_date", "2025-09-04T10:00:00.654321+02:00", "2025-09-04T08:00:01"),  # rounded, and UTC
        ("delete_date", "2025-09-04T10:00:00+02:00", "2025-09-04T03:00-05:00"),
        ("created", "2025-09-04T10:00:00+02:00", "2025-09-04T08:00:00.000Z"),
        ("seen_at", "2025-09-04T10:00:00+02:00", "2025-09-04T08:00:00Z"),
        ("tags", [FOOD, STAFF], [STAFF, FOOD]),
        ("tags", [FOOD, STAFF], [{"id": 2, "label": "staff"}, {"color": "#808080", "id": 1}]),
        ("tags", None, []),
        ("comments", {}, None),
        ("title", "", None),
        ("media_links", ["a", "b"], ["b", "a"]),
        ("rating", 4, 4.0),
        ("comments", REPLY, REPLY | {"date": "2025-09-04T08:00:00Z"}),
        ("comments", REPLY, REPLY | {"date": "2025-09-04T08:00:01Z", "replies": []}),
        ("comments", REPLY | {"replies": [REPLY]}, {"id": 7, "replies": [{"id": 7, "content": "Merci"}]}),
    ],
)
def test_a_difference_in_notation_is_none(name: str, one: Any, other: Any) -> None:
    assert same(name, one, other)
    assert same(name, other, one)


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("update_date", "2025-09-04T10:00:00+02:00", "2025-09-04T08:00:01Z"),
        ("update_date", "2025-09-04T10:00:00+02:00", "2025-09-04T10:00:00Z"),
        ("update_date", "2025-09-04T10:00:00+02:00", "yesterday"),
        ("content", "2025-09-04T10:00:00+02:00", "2025-09-04T08:00:00Z"),  # a text that reads like an instant
        ("tags", [FOOD], [STAFF]),
        ("tags", [FOOD], [FOOD, STAFF]),
        ("tags", [FOOD], [FOOD | {"label": "Food"}]),
        ("tags", [FOOD], None),
        ("rating", 4, 5),
        ("rating", 0, None),
        ("rating", 1, True),
        ("recommended", False, None),
        ("recommended", False, 0),
        ("content", "4", 4),
        ("comments", REPLY, REPLY | {"content": "Bonjour"}),
        ("lists", [[1, 2]], [[2, 3]]),
    ],
)
def test_a_difference_in_meaning_is_one(name: str, one: Any, other: Any) -> None:
    assert not same(name, one, other)
    assert not same(name, other, one)


@pytest.mark.parametrize(
    ("value", "empty"), [(None, True), ([], True), ({}, True), ("", True), (0, False), (False, False)]
)
def test_nothing_is_null_or_without_content(value: Any, *, empty: bool) -> None:
    assert is_empty(value) is empty


@settings(deadline=None, max_examples=100)
@given(JSON, JSON)
def test_comparing_never_raises_is_symmetric_and_finds_a_value_the_same_as_itself(one: Any, other: Any) -> None:
    for name in ("tags", "update_date"):
        assert same(name, one, one)
        assert same(name, one, other) is same(name, other, one)
