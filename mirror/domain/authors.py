"""Telling whether two names are the same author's, however they are written. Performs no I/O.

Whoever demands to be forgotten writes the name by hand: its accents may be composed or not, its capitals differ, its
spaces be no-break ones or stand at the end. None of that makes another name.
"""

import difflib
import re
import unicodedata
from typing import Any

# How alike two names must be for an operator to be shown the other one, from 0 to 1.
_NEAR = 0.8
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_PUNCTUATION = "-_.,'\u2019"
_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_WHITE = {"b": " ", "f": " ", "n": " ", "r": " ", "t": " "}


class Author:
    """A name to look for."""

    def __init__(self, name: str) -> None:
        self._name = fold(name)

    def is_named(self, value: Any) -> bool:
        """Tell whether a field holds this name."""
        return isinstance(value, str) and bool(self._name) and fold(value) == self._name

    def is_near(self, value: Any) -> bool:
        """Tell whether a field holds another name that may be meant: a letter more or less, other accents or order."""
        if not isinstance(value, str) or not self._name:
            return False
        one, other = _without_accents(self._name), _without_accents(fold(value))
        if not other or fold(value) == self._name:
            return False
        words, others = set(one.split()), set(other.split())
        few = len(words) > 1 and len(others) > 1 and (words <= others or others <= words)
        return few or difflib.SequenceMatcher(None, one, other, autojunk=False).ratio() >= _NEAR

    def stands_in(self, data: bytes) -> bool:
        """Tell whether raw bytes hold this name, as it is or as JSON may escape it."""
        text = _ESCAPE.sub(_unescape, data.decode(errors="replace"))
        # Two escapes may have been the halves of one character.
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return bool(self._name) and self._name in fold(whole)


def fold(name: str) -> str:
    """Write a name in the one form that all its forms have in common."""
    plain = _INVISIBLE.sub("", unicodedata.normalize("NFKC", name)).casefold()
    return " ".join(unicodedata.normalize("NFKC", plain).split())


def _without_accents(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name)
    return "".join(" " if one in _PUNCTUATION else one for one in letters if not unicodedata.combining(one))


def _unescape(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    return _WHITE.get(match[2], match[2])
