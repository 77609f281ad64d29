"""A review's history in the mirror, against what happened to it, one for one. Performs no I/O."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from tools.simulator.comparing.values import canonical, differing_fields, meaning, same
from tools.simulator.population.events import Kind

# What the mirror calls it; everything else is an update.
_MIRRORED = {
    Kind.CREATED: "first_seen",
    Kind.VANISHED: "vanished",
    Kind.DELETED: "vanished",
    Kind.RETURNED: "reappeared",
}
# What the mirror says of itself: that a doubt is settled, that a grace period is over. Nothing happened to the review.
_OWN = frozenset({"confirmed", "gone"})
_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class HistoryFinding:
    """How a history differs from what happened: events that it lacks, and entries for which nothing happened."""

    review_id: int
    events: int
    missing: tuple[str, ...]
    surplus: tuple[str, ...]


def compare_history(
    review_id: int,
    events: Sequence[Mapping[str, Any]],
    entries: Sequence[Mapping[str, Any]],
    ignored: frozenset[str] = frozenset(),
) -> HistoryFinding:
    """Compare what happened (`{"kind", "review"}`) with the mirror's entries (`{"kind", "fields"}`), both oldest first.

    An event and an entry are the same if they are of one kind and set the same fields to values that mean the same.
    What the mirror says of itself, changing no field, is left out; so are `ignored` fields of entries.
    """
    expected = [f"{kind} {fields}" for kind, fields in _expected(events)]
    told = (entry for entry in entries if entry.get("fields") or entry.get("kind") not in _OWN)
    found = [f"{entry.get('kind')} {_values(entry.get('fields'), ignored)}" for entry in told]
    missing, surplus = [], []
    for tag, start, end, other_start, other_end in SequenceMatcher(None, expected, found, autojunk=False).get_opcodes():
        if tag != "equal":
            missing += expected[start:end]
            surplus += found[other_start:other_end]
    return HistoryFinding(review_id, len(events), tuple(missing), tuple(surplus))


def _expected(events: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Give kind and new values of each event, as a faithful history has them."""
    before, last_live = _NOTHING, _NOTHING
    for event in events:
        after = event["review"]
        kind = _MIRRORED.get(event["kind"], "updated")
        # A return is told against the review as it was live, so an identical one changes no field.
        base = last_live if kind == "reappeared" else before
        yield kind, _written({name: after.get(name) for name in differing_fields(base, after)})
        if kind != "vanished":
            last_live = after
        before = after


def _values(fields: Any, ignored: frozenset[str]) -> str:
    """Give the new values of those fields (`[before, after]`) that an entry changes."""
    if not isinstance(fields, Mapping):
        return canonical(fields)
    pairs = {name: pair if isinstance(pair, list) else [pair] for name, pair in fields.items() if name not in ignored}
    changed = {name: pair[-1] for name, pair in pairs.items() if pair and not same(name, pair[0], pair[-1])}
    return _written(changed)


def _written(fields: Mapping[str, Any]) -> str:
    return canonical({name: meaning(name, value) for name, value in fields.items()})
