"""Variables that nobody reads and whose names are near one of ours: a misspelt name, most likely.

The environment is full of other programs' variables, so this is a hint and never an error. (An unknown PARTOO_ variable
can be nobody else's: `settings` refuses it.)
"""

import difflib
from collections.abc import Iterator, Mapping

import msgspec

from mirror.variables import VARIABLES

# How alike two names must be, from 0 to 1; less is asked of two that begin with the same word.
_ALIKE = 0.9
_ALIKE_AFTER_FIRST_WORD = 0.8
_SHORTEST = 6
_PREFIX = "PARTOO_"
# Without the prefix these could be anybody's.
_ANYBODYS = {"API_KEY", "API_URL", "ENV"}
_SYNONYMS = {"URI": "URL", "LVL": "LEVEL", "VALKEY": "REDIS"}


class Hint(msgspec.Struct, frozen=True):
    """A variable that is set and that nobody reads, and the one that was probably meant."""

    variable: str
    meant: str

    def __str__(self) -> str:
        return f"{self.variable} is set, but nothing reads it: did you mean {self.meant}?"


def hints(environ: Mapping[str, str]) -> Iterator[Hint]:
    """Find what is probably misspelt; a variable that is set under its own name was not."""
    ours = {variable.name for variable in VARIABLES}
    unset = {_plain(alias): name for name in ours if not environ.get(name, "").strip() for alias in _aliases(name)}
    for name in sorted(environ):
        if name in ours or name.startswith(_PREFIX) or not environ[name].strip():
            continue
        plain = _plain(name)
        near = [alias for alias in unset if _is_near(plain, alias)]
        if near:
            yield Hint(name, unset[max(near, key=lambda alias: _likeness(plain, alias))])


def _aliases(name: str) -> Iterator[str]:
    yield name
    short = name.removeprefix(_PREFIX)
    if short not in _ANYBODYS:
        yield short


def _plain(name: str) -> str:
    """Write a name in capitals, with one word for the same thing."""
    return "_".join(_SYNONYMS.get(word, word) for word in name.upper().replace("-", "_").split("_"))


def _is_near(name: str, ours: str) -> bool:
    if name == ours:
        return True
    if min(len(name), len(ours)) < _SHORTEST:
        return False
    words, known = name.split("_"), ours.split("_")
    enough = _ALIKE_AFTER_FIRST_WORD if words[0] == known[0] else _ALIKE
    return sorted(words) == sorted(known) or _likeness(name, ours) > enough


def _likeness(name: str, ours: str) -> float:
    return difflib.SequenceMatcher(None, name, ours, autojunk=False).ratio()
