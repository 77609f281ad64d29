"""What differs between two texts, word by word. Performs no I/O."""

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

SAME, ADDED, REMOVED = "same", "added", "removed"
# Finding the best match takes the product of both lengths at worst: longer differences are shown as a whole.
_MOST_WORDS = 400
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")

Piece = tuple[str, str]


def word_diff(before: str, after: str) -> list[Piece]:
    """Give the pieces that lead from one text to the other: each is SAME, ADDED or REMOVED, and a text."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    middle = _middle(old[start : len(old) - end], new[start : len(new) - end])
    pieces = [(SAME, "".join(old[:start])), *middle, (SAME, "".join(old[len(old) - end :]))]
    return [(kind, text) for kind, text in pieces if text]


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    apart = (place for place, (word, beside) in enumerate(zip(one, other, strict=False)) if word != beside)
    return next(apart, min(len(one), len(other)))


def _middle(old: Sequence[str], new: Sequence[str]) -> Iterator[Piece]:
    if max(len(old), len(new)) > _MOST_WORDS:
        yield REMOVED, "".join(old)
        yield ADDED, "".join(new)
        return
    for kind, start, end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            yield SAME, "".join(old[start:end])
            continue
        yield REMOVED, "".join(old[start:end])
        yield ADDED, "".join(new[new_start:new_end])
