"""Values of a review's fields, and what changed of them, in lines that fit a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from mirror.domain.changes import Change, tag_difference

INDENT = 6
_MIN_WIDTH = 16
# One field with a name longer than this must not make the lines of all others as long.
_MAX_NAME_WIDTH = 40
_ARROW = " → "
# What is shown of the same beginning of two long values, before the place where they part.
_CONTEXT = 12


def payload_lines(payload: Mapping[str, Any], width: int) -> Iterator[str]:
    """Write each field of a review with its value."""
    for label, name in _labels(payload):
        yield label + _cut(_show(payload[name]), width - len(label))


def field_lines(change: Change, width: int) -> Iterator[str]:
    """Write each field that a change touched: from what to what."""
    fields, added, removed = change.fields, frozenset(change.added), frozenset(change.removed)
    for label, name in _labels(fields):
        before, after = fields[name]
        room = width - len(label)
        if name == "tags" and (tags := _tag_words(fields)):
            yield label + _cut(tags, room)
        else:
            old = "(absent)" if name in added else _show(before)
            new = "(absent)" if name in removed else _show(after)
            yield label + _from_to(old, new, room)


def _labels(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give each field's name, with what a line about it begins with."""
    longest = min(max((len(name) for name in fields), default=0), _MAX_NAME_WIDTH)
    for name in fields:
        yield f"{'':{INDENT}}{name:{longest}}  ", name


def _from_to(old: str, new: str, room: int) -> str:
    if len(old) + len(_ARROW) + len(new) > room:
        old, new = _without_common_beginning(old, new)
    half = max(_MIN_WIDTH, (room - len(_ARROW)) // 2)
    # What one side leaves of its half, the other may use.
    old = _cut(old, max(half, room - len(_ARROW) - len(new)))
    return f"{old}{_ARROW}{_cut(new, max(half, room - len(_ARROW) - len(old)))}"


def _without_common_beginning(old: str, new: str) -> tuple[str, str]:
    """Leave out what two values begin with alike, but for the last of it: what is cut must not be what differs."""
    apart = (place for place, (one, other) in enumerate(zip(old, new, strict=False)) if one != other)
    start = next(apart, min(len(old), len(new))) - _CONTEXT
    return (f"…{old[start:]}", f"…{new[start:]}") if start > 1 else (old, new)


def _tag_words(fields: Mapping[str, tuple[Any, Any]]) -> str:
    """Tell which tags came and went; "" where one side is no list of tags: then it is shown as any other field."""
    if not all(side is None or isinstance(side, list) for side in fields["tags"]):
        return ""
    tags = tag_difference(dict(fields)) or {}
    labels = {side: [_label(tag) for tag in found] for side, found in tags.items()}
    on_both_sides = frozenset(labels.get("added", ())).intersection(labels.get("removed", ()))
    signs = {"added": "+", "removed": "-"}
    return ", ".join(
        # Of two with the same label, the label does not tell what differs.
        f"{signs[side]} {_show(tag) if label in on_both_sides else label}"
        for side, found in tags.items()
        for tag, label in zip(found, labels[side], strict=True)
    )


def _label(tag: Any) -> str:
    label = tag.get("label") if isinstance(tag, dict) else None
    return label if isinstance(label, str) else _show(tag)


def _show(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _cut(text: str, room: int) -> str:
    room = max(room, _MIN_WIDTH)
    return text if len(text) <= room else text[: room - 1] + "…"
