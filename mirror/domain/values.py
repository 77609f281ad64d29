"""Values of a review's fields compared by what they mean, not by how they are written. Performs no I/O.

Partoo's API may write a review in another notation than its webhooks: instants in another zone or less finely, tags in
another order, nothing as null, as an empty list or not at all.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mirror.domain.clocks import instant, same_instant
from mirror.domain.review import canonical

# Fields that hold an instant, wherever in a review they stand.
_INSTANT_SUFFIXES = ("date", "created", "_at")


def is_empty(value: Any) -> bool:
    """Tell whether a value says that there is nothing: null, an empty list, object or text."""
    return value is None or (isinstance(value, list | dict | str) and not value)


def same(name: str, one: Any, other: Any) -> bool:
    """Tell whether two values of a field mean the same."""
    if is_empty(one) or is_empty(other):
        return is_empty(one) and is_empty(other)
    if name.endswith(_INSTANT_SUFFIXES) and isinstance(one, str) and isinstance(other, str):
        first, second = instant(one), instant(other)
        if first is not None and second is not None:
            return same_instant(first, second)
    if isinstance(one, dict) and isinstance(other, dict):
        return all(same(key, one[key], other[key]) for key in one if key in other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and _same_items(name, one, other)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def _same_items(name: str, one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Compare lists: objects with ids are a set, and so are plain values; whatever else is compared place by place."""
    pairs = zip(_in_order(one), _in_order(other), strict=True)
    return all(same(name, first, second) for first, second in pairs)


def _in_order(items: Sequence[Any]) -> Sequence[Any]:
    if all(isinstance(item, Mapping) and not is_empty(item.get("id")) for item in items):
        return sorted(items, key=lambda item: canonical(item["id"]))
    if any(isinstance(item, Mapping | list) for item in items):
        return items
    return sorted(items, key=canonical)
