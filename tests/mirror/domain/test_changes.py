"""Differences between review objects: told exactly, and undone and redone without loss."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.domain.changes import Change, Difference, Kind, Source, difference, redo, tag_difference, undo
from tests.mirror.domain.strategies import ARBITRARY_REVIEWS, JSON, POOLED_REVIEWS, WORDS

NAMES = st.sampled_from(["a", "b", "c", "d"])
OBJECTS: st.SearchStrategy[dict[str, Any]] = (
    st.dictionaries(NAMES, st.sampled_from([None, 0, 0.0, -0.0, False, 1, 1.0, True, "1", [], [1], [True], {}]))
    | st.dictionaries(NAMES | WORDS, JSON, max_size=5)
    | POOLED_REVIEWS
    | ARBITRARY_REVIEWS
)
LOOKALIKES = [0, 0.0, -0.0, False, None, "", [], {}, 1, 1.0, True, "1", [1], [1.0], [True], {"1": 1}, {"1": True}]


def exact(value: Any) -> bytes:
    """Encode for a comparison that tells 1 from 1.0 and from True."""
    return msgspec.json.encode(value, order="sorted")


def test_a_changed_an_added_and_a_removed_field_are_told_apart() -> None:
    before = {"same": 1, "changed": [1], "removed": "x"}
    after = {"same": 1, "changed": [2], "added": None}
    assert difference(before, after) == Difference(
        {"changed": ([1], [2]), "added": (None, None), "removed": ("x", None)}, ("added",), ("removed",)
    )


def test_equal_objects_do_not_differ_whatever_the_order_of_their_keys() -> None:
    one = {"a": {"x": 1, "y": [{"p": 1, "q": 2}]}, "b": 2}
    two = {"b": 2, "a": {"y": [{"q": 2, "p": 1}], "x": 1}}
    assert difference(one, two) == Difference({})
    assert difference({}, {}) == Difference({})


def test_absent_and_null_are_different() -> None:
    assert difference({}, {"a": None}) == Difference({"a": (None, None)}, added=("a",))
    assert difference({"a": None}, {}) == Difference({"a": (None, None)}, removed=("a",))
    assert difference({"a": {"b": None}}, {"a": {}}) == Difference({"a": ({"b": None}, {})})
    assert difference({"a": None}, {"a": None}) == Difference({})


@pytest.mark.parametrize("one", LOOKALIKES, ids=repr)
@pytest.mark.parametrize("two", LOOKALIKES, ids=repr)
def test_two_values_differ_exactly_when_their_json_does(one: Any, two: Any) -> None:
    assert bool(difference({"a": one}, {"a": two}).fields) == (exact(one) != exact(two))
    assert bool(difference({"a": {"b": [one]}}, {"a": {"b": [two]}}).fields) == (exact(one) != exact(two))


def test_a_field_added_and_removed_in_turn_leaves_no_trace_behind() -> None:
    here, there = {"id": 1, "a": None}, {"id": 1}
    there_and_back = [difference(here, there), difference(there, here)]
    assert redo(redo(here, there_and_back[0]), there_and_back[1]) == here
    assert "a" not in redo(here, there_and_back[0])
    assert "a" not in undo(here, there_and_back[1])


@settings(deadline=None, max_examples=150)
@given(OBJECTS, OBJECTS)
def test_redo_and_undo_are_inverse_and_lose_nothing(before: dict[str, Any], after: dict[str, Any]) -> None:
    delta = difference(before, after)
    originals = exact([before, after])

    assert exact(redo(before, delta)) == exact(after)
    assert exact(undo(after, delta)) == exact(before)
    assert exact([before, after]) == originals
    assert bool(delta.fields) == (exact(before) != exact(after))
    assert set(delta.fields) == {
        name
        for name in {**before, **after}
        if (name in before) != (name in after) or exact(before[name]) != exact(after[name])
    }
    assert set(delta.added) == set(after) - set(before)
    assert set(delta.removed) == set(before) - set(after)


@settings(deadline=None, max_examples=100)
@given(OBJECTS, OBJECTS)
def test_redo_and_undo_are_inverse_also_for_a_change_that_was_stored(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    delta = difference(before, after)
    change = Change(2, Kind.UPDATED, 1, "a", Source.WEBHOOK, delta.fields, delta.added, delta.removed)
    stored = msgspec.json.decode(msgspec.json.encode(change), type=Change)

    assert exact(stored) == exact(change)
    assert exact(redo(before, stored)) == exact(after)
    assert exact(undo(after, stored)) == exact(before)


@settings(deadline=None, max_examples=60)
@given(st.lists(OBJECTS, min_size=2, max_size=5))
def test_a_chain_of_differences_leads_there_and_back(states: list[dict[str, Any]]) -> None:
    deltas = [difference(one, two) for one, two in itertools.pairwise(states)]
    forwards, backwards = states[0], states[-1]
    for delta in deltas:
        forwards = redo(forwards, delta)
    for delta in reversed(deltas):
        backwards = undo(backwards, delta)
    assert exact(forwards) == exact(states[-1])
    assert exact(backwards) == exact(states[0])


FOOD, STAFF, PRICE = ({"id": number, "label": label} for number, label in ((25, "food"), (26, "staff"), (27, "price")))


def test_tags_assigned_and_removed_are_named() -> None:
    delta = difference({"tags": [FOOD, STAFF]}, {"tags": [STAFF, PRICE]})
    assert tag_difference(delta.fields) == {"added": [PRICE], "removed": [FOOD]}


def test_a_change_that_did_not_touch_the_tags_says_nothing_of_them() -> None:
    assert tag_difference({"rating": (3, 4)}) is None


def test_tags_in_another_order_are_neither_assigned_nor_removed() -> None:
    delta = difference({"tags": [FOOD, STAFF]}, {"tags": [STAFF, dict(reversed(FOOD.items()))]})
    assert tag_difference(delta.fields) == {"added": [], "removed": []}


def test_a_renamed_tag_is_one_removed_and_one_assigned() -> None:
    renamed = FOOD | {"label": "meals"}
    assert tag_difference({"tags": ([FOOD], [renamed])}) == {"added": [renamed], "removed": [FOOD]}


@pytest.mark.parametrize("other", [None, {}, "food", 3, True])
def test_tags_that_are_no_list_count_as_none(other: Any) -> None:
    assert tag_difference({"tags": (other, [FOOD])}) == {"added": [FOOD], "removed": []}
    assert tag_difference({"tags": ([FOOD], other)}) == {"added": [], "removed": [FOOD]}


@settings(deadline=None, max_examples=60)
@given(JSON, JSON)
def test_tags_of_any_shape_can_be_compared(before: Any, after: Any) -> None:
    told = tag_difference({"tags": (before, after)})
    assert told is not None
    assert set(told) == {"added", "removed"}
