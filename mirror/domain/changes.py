"""A review's change history: what changed, from what to what, when, and because of which delivery. Performs no I/O."""

from enum import StrEnum
from typing import Annotated, Any

import msgspec

from mirror.domain.review import canonical

# Milliseconds since 1970 UTC, up to the end of the year 9999: what can be written as a date. Checked when it is read.
Moment = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999)]


class Kind(StrEnum):
    FIRST_SEEN = "first_seen"
    UPDATED = "updated"
    VANISHED = "vanished"
    REAPPEARED = "reappeared"
    CONFIRMED = "confirmed"  # nothing changed, but what was ambiguous no longer is: Partoo was asked
    TRIMMED = "trimmed"  # no change: the beginning of a history whose older entries were trimmed
    GONE = "gone"


# The kinds with which a history begins.
BEGINNINGS = (Kind.FIRST_SEEN, Kind.TRIMMED)


class Source(StrEnum):
    """Where the news of a change came from."""

    WEBHOOK = "webhook"
    VERIFICATION = "verification"
    RECONCILIATION = "reconciliation"
    REPLAY = "replay"
    FORGET = "forget"  # a demand to erase the review, from `python -m mirror forget`
    GRACE = "grace"  # not news from Partoo: a check of ours that an absence has outlasted DELETION_GRACE


class Certainty(StrEnum):
    """How far the mirror can vouch for what it applied. All but PROVEN is worth asking Partoo about."""

    PROVEN = "proven"
    UNPROVEN = "unproven"  # neither its payload nor the time that has passed shows whether it is news
    AMBIGUOUS = "ambiguous"  # and much speaks for a late copy


def weaker(first: Certainty, second: Certainty) -> Certainty:
    """Return the certainty of what rests on two things."""
    return max(first, second, key=_WEAKNESS.index)


_WEAKNESS = (Certainty.PROVEN, Certainty.UNPROVEN, Certainty.AMBIGUOUS)


def certainty_of(*, ambiguous: bool, unproven: bool) -> Certainty:
    return Certainty.AMBIGUOUS if ambiguous else Certainty.UNPROVEN if unproven else Certainty.PROVEN


class Difference(msgspec.Struct, frozen=True):
    """What differs between two review objects, field by field.

    `fields` maps a field's name to [before, after], with null for an absent side; `added` and `removed` name the
    fields that one of the two objects does not have at all, so that absent and null stay apart.
    """

    fields: dict[str, tuple[Any, Any]]
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class Trimmed(msgspec.Struct, frozen=True):
    """What the entries told that were trimmed from the beginning of a history."""

    first_seen_at: int
    reappearances: int


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of a review's history. Times are milliseconds since 1970 UTC, `missing_for` is in milliseconds.

    `fields`, `added` and `removed` are those of a Difference. For `reappeared` they are taken against the last live
    snapshot, and where there is none against the deleted payload. For `first_seen` they are left out, as the first
    payload can be worked out from the record (`mirror.domain.history`) and would double what a review weighs. `gone`
    has none: the payload stays as it is.
    """

    version: int
    kind: Kind
    received_at: Moment
    delivery_id: str
    source: Source = Source.WEBHOOK
    fields: dict[str, tuple[Any, Any]] = {}
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    ambiguous: bool = False
    unproven: bool = False
    missing_for: Moment | None = None
    trimmed: Trimmed | None = None
    # What had to be repaired before the delivery could be read, such as `surrogate`.
    repaired: tuple[str, ...] = ()

    @property
    def certainty(self) -> Certainty:
        return certainty_of(ambiguous=self.ambiguous, unproven=self.unproven)


def difference(before: dict[str, Any], after: dict[str, Any]) -> Difference:
    """Compare two review objects over all their fields, known or not."""
    changed = {name: (before.get(name), value) for name, value in after.items() if _differs(before, name, value)}
    removed = tuple(name for name in before if name not in after)
    for name in removed:
        changed[name] = (before[name], None)
    return Difference(changed, tuple(name for name in changed if name not in before), removed)


def _differs(before: dict[str, Any], name: str, value: Any) -> bool:
    if name not in before:
        return True
    old = before[name]
    if old != value:
        return True
    # Python takes 1, 1.0 and True for equal; JSON does not.
    return not isinstance(value, str) and value is not old and canonical(old) != canonical(value)


def redo(before: dict[str, Any], change: Change | Difference) -> dict[str, Any]:
    """Return the review object after a change, given the one before it."""
    removed = frozenset(change.removed)
    after = {name: value for name, value in before.items() if name not in removed}
    after.update((name, pair[1]) for name, pair in change.fields.items() if name not in removed)
    return after


def undo(after: dict[str, Any], change: Change | Difference) -> dict[str, Any]:
    """Return the review object before a change, given the one after it."""
    added = frozenset(change.added)
    before = {name: value for name, value in after.items() if name not in added}
    before.update((name, pair[0]) for name, pair in change.fields.items() if name not in added)
    return before


def tag_difference(fields: dict[str, tuple[Any, Any]]) -> dict[str, list[Any]] | None:
    """Tell which tags a change assigned and which it removed; None where it did not touch the tags."""
    if "tags" not in fields:
        return None
    before, after = (_tags(side) for side in fields["tags"])
    return {
        "added": [tag for key, tag in after.items() if key not in before],
        "removed": [tag for key, tag in before.items() if key not in after],
    }


def _tags(value: Any) -> dict[bytes, Any]:
    return {canonical(tag): tag for tag in value} if isinstance(value, list) else {}
