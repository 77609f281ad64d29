"""What a value of a review's field means, however it is written. Performs no I/O.

An instant is the same in any zone and precision (here: to the second), tags are a set by their ids, null, an empty list
and an absent field are the same, and so are 4 and 4.0.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_INSTANTS = frozenset({"date", "update_date", "delete_date", "created"})


def differing_fields(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Name the fields in which two review objects differ."""
    return [name for name in {**one, **other} if not same(name, one.get(name), other.get(name))]


def same(name: str, one: Any, other: Any) -> bool:
    return canonical(meaning(name, one)) == canonical(meaning(name, other))


def canonical(value: Any) -> str:
    """Write a JSON value so that equal ones, and only they, give equal texts; to Python, 1, 1.0 and true are equal."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def meaning(name: str, value: Any) -> Any:
    """Give the one value that stands for all that mean the same in this field."""
    if value is None or value == []:
        return None
    if isinstance(value, Mapping):
        meant = {key: meaning(key, item) for key, item in value.items()}
        return {key: item for key, item in meant.items() if item is not None}
    if isinstance(value, list):
        return _ids(value) if name == "tags" else [meaning(name, item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return _instant(value) if name in _INSTANTS else value


def _ids(tags: list[Any]) -> list[Any]:
    """Give the ids of tags in order, or the tags themselves where one has none."""
    if all(isinstance(tag, Mapping) and "id" in tag for tag in tags):
        return sorted((tag["id"] for tag in tags), key=canonical)
    return tags


def _instant(value: Any) -> Any:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return value
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="seconds")
