"""Other ways to write the same review: the API need not write it as the webhook does. Performs no I/O."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

from tools.simulator.chance import Dice


class Form(StrEnum):
    """One way in which a review may be written; see `docs/simulator.md`."""

    Z = "Z"
    UTC = "+00:00"
    OFFSET = "+02:00"
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    MICROSECONDS = "microseconds"
    NULL = "null"
    ABSENT = "absent"
    EMPTY_LIST = "empty-list"
    TAG_ORDER = "tag-order"
    TAG_KEYS = "tag-keys"
    DECIMALS = "decimals"


Forms = frozenset[Form]

_ZONES = (Form.Z, Form.UTC, Form.OFFSET)
_PRECISIONS = (Form.SECONDS, Form.MILLISECONDS, Form.MICROSECONDS)
_OF_INSTANTS = frozenset((*_ZONES, *_PRECISIONS))
# Of each of these at most one can hold at a time.
EXCLUSIVE: tuple[tuple[Form, ...], ...] = (_ZONES, _PRECISIONS, (Form.NULL, Form.ABSENT, Form.EMPTY_LIST))
_INDEPENDENT = (Form.TAG_ORDER, Form.TAG_KEYS, Form.DECIMALS)
_INSTANTS = frozenset({"date", "update_date", "delete_date", "created"})
_LISTS = frozenset({"tags", "comments", "media_links", "replies"})
_OFFSETS = {Form.UTC: UTC, Form.OFFSET: timezone(timedelta(hours=2))}


def draw(dice: Dice) -> Forms:
    """Draw one form of each kind."""
    drawn = {dice.choice(forms) for forms in EXCLUSIVE}
    return frozenset(drawn | {form for form in _INDEPENDENT if dice.random() < 0.5})  # noqa: PLR2004 - a coin


def contradiction(forms: Forms) -> str | None:
    """Name two forms that cannot hold at once, if there are such."""
    for group in EXCLUSIVE:
        both = [form for form in group if form in forms]
        if len(both) > 1:
            return " and ".join(both[:2])
    return None


def write(review: Mapping[str, Any], forms: Forms) -> dict[str, Any]:
    """Write a review in these forms; without any, it stays as the webhook writes it."""
    written = {name: _value(name, value, forms) for name, value in review.items()}
    if Form.ABSENT in forms:
        return {name: value for name, value in written.items() if not _is_empty(value)}
    return written


def _value(name: str, value: Any, forms: Forms) -> Any:
    if name == "tags" and value:
        return _tags(value, forms)
    if _is_empty(value):
        return _empty(name, value, forms)
    if isinstance(value, Mapping):
        return write(value, forms)
    if name == "rating" and Form.DECIMALS in forms:
        return float(value)
    if name in _INSTANTS:
        return _instant(value, forms)
    return value


def _tags(tags: list[dict[str, Any]], forms: Forms) -> list[dict[str, Any]]:
    if Form.TAG_KEYS in forms:
        tags = [{"id": tag["id"], "label": tag["label"], "category": None} for tag in tags]
    return tags[::-1] if Form.TAG_ORDER in forms else tags


def _empty(name: str, value: Any, forms: Forms) -> Any:
    if Form.NULL in forms:
        return None
    return [] if Form.EMPTY_LIST in forms and name in _LISTS else value


def _is_empty(value: Any) -> bool:
    return value is None or value == []


def _instant(text: str, forms: Forms) -> str:
    if not forms & _OF_INSTANTS:
        return text
    moment = datetime.fromisoformat(text)
    precision = next((form for form in _PRECISIONS if form in forms), Form.MICROSECONDS)
    if Form.Z in forms:
        return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=precision)}Z"
    zone = next((_OFFSETS[form] for form in _OFFSETS if form in forms), moment.tzinfo)
    return moment.astimezone(zone).isoformat(timespec=precision)
