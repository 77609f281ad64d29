"""What another reducer would have made of deliveries already applied: a replay, beside what is stored. Performs no I/O.

A review whose first delivery is still kept is replayed from nothing, exactly. For others the record as of the first
kept delivery comes from the history. What the reducer remembers is worked out from the payloads in it; what no history
holds is when a payload was last accepted in a copy that changed nothing. So there a difference in what rests on that
alone (the mark of ambiguity, and times) is uncertain, and does not count as one. Of a trimmed history, each is.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from mirror.domain.changes import Change, Source
from mirror.domain.history import first_payload, records
from mirror.domain.inbox import Entry
from mirror.domain.record import Delivery, Record, Windows
from mirror.domain.reducer import reduce
from mirror.domain.review import canonical
from mirror.domain.settling import settle

# What rests on copies that changed nothing.
UNCERTAIN = frozenset({"ambiguous", "unproven", "received_at", "missing_for", "last_changed_at", "last_received_at"})
# What only the reducer reads.
_MEMORY = (
    "since",
    "live_since",
    "live_received_at",
    "delivered_at",
    "observed_at",
    "last_first_attempt_at",
    "delete_dates",
    "previous_states",
    "previous_fingerprints",
    "extra",
    "read_fields",
)


class Mismatch(msgspec.Struct, frozen=True):
    """One thing that is stored differently from what the replay gives; null where one of the two has no such thing.

    `delivery_id` names the delivery of the change that differs, None where it is the record. `name` is the field that
    differs; `change` stands for a change as a whole, `delivery` for a delivery that cannot be read any more.
    """

    delivery_id: str | None
    name: str
    stored: Any
    replayed: Any


class Stored(msgspec.Struct, frozen=True):
    """What is stored of a review. `record` is None where there is none, or none that can be read."""

    review_id: int
    record: Record | None
    changes: list[Change]
    deliveries: list[Entry]


class Comparison(msgspec.Struct, frozen=True):
    """A review replayed. `inexact` says why it could not be compared exactly, or, without a record, not at all."""

    review_id: int
    inexact: str | None
    mismatches: list[Mismatch]
    uncertain: list[Mismatch]
    record: Record | None
    changes: list[Change]


def compare(stored: Stored, windows: Windows) -> Comparison:
    """Replay a review's kept deliveries with the reducer of today, and compare the outcome with what is stored.

    Raises CorruptError where the stored history does not lead back to its first payload.
    """
    if stored.record is not None and stored.record.forgotten_at is not None:
        return _not_compared(stored, "it was forgotten")
    trimmed = bool(stored.changes) and stored.changes[0].trimmed is not None
    kept = {entry.delivery_id for entry in stored.deliveries}
    earlier = _earlier(stored.changes, kept)
    if any(change.delivery_id not in kept for change in stored.changes[earlier:]):
        return _not_compared(stored, "deliveries that are not kept lie between those that are")
    if trimmed and not earlier:
        return _not_compared(stored, "its history was trimmed past its first kept delivery")
    if earlier and stored.record is None:
        return _not_compared(stored, "its record cannot be read, and its first deliveries are no longer kept")
    start = _start(stored, earlier, windows)
    settled = settle(start, stored.deliveries, windows)
    changes = [*stored.changes[:earlier], *settled.changes]
    found = [Mismatch(letter.delivery_id, "delivery", "read", letter.code) for letter in settled.dead_letters]
    found += _record_mismatches(stored.record, settled.record, exact=start is None)
    found += _change_mismatches(stored.changes, changes)
    inexact = None if start is None else "its first deliveries are no longer kept: replayed from its history"
    certain: list[Mismatch] = []
    uncertain: list[Mismatch] = []
    for one in found:
        is_certain = start is None or not (trimmed or one.name in UNCERTAIN)
        (certain if is_certain else uncertain).append(one)
    return Comparison(stored.review_id, inexact, certain, uncertain, settled.record, _marked(stored.changes, changes))


def _not_compared(stored: Stored, reason: str) -> Comparison:
    return Comparison(stored.review_id, reason, [], [], None, [])


def _earlier(changes: Sequence[Change], kept: set[str]) -> int:
    """Count the changes at the beginning of a history whose deliveries are no longer kept."""
    for number, change in enumerate(changes):
        if change.delivery_id in kept:
            return number
    return len(changes)


def _start(stored: Stored, earlier: int, windows: Windows) -> Record | None:
    """Return the record before the first kept delivery; None before the first of all."""
    if not earlier or stored.record is None:
        return None
    history = stored.changes[:earlier]
    start: Record | None = None
    remembering: Record | None = None
    for start, change in zip(records(first_payload(stored.record, stored.changes), history), history, strict=True):
        delivery = Delivery(change.delivery_id, change.received_at, start.review, change.source)
        remembering = reduce(remembering, delivery, windows).record
    memory = {name: getattr(remembering, name) for name in _MEMORY}
    return None if start is None else msgspec.structs.replace(start, **memory)


def _record_mismatches(stored: Record | None, replayed: Record | None, *, exact: bool) -> Iterator[Mismatch]:
    if stored is None or replayed is None:
        if stored is not replayed:
            yield Mismatch(None, "record", _status(stored), _status(replayed))
        return
    for name in Record.__struct_fields__:
        before, after = getattr(stored, name), getattr(replayed, name)
        if (exact or name not in _MEMORY) and _differ(before, after):
            yield Mismatch(None, name, before, after)


def _status(record: Record | None) -> str | None:
    return None if record is None else str(record.status)


def _change_mismatches(stored: Sequence[Change], replayed: Sequence[Change]) -> Iterator[Mismatch]:
    before = {change.delivery_id: change for change in stored}
    for change in stored:
        # A delivery makes one change at the most.
        if change is not before[change.delivery_id]:
            yield Mismatch(change.delivery_id, "change", str(change.kind), None)
    after = {change.delivery_id: change for change in replayed}
    for delivery_id in {**before, **after}:
        one, other = before.get(delivery_id), after.get(delivery_id)
        if one is None or other is None:
            kinds = (None if change is None else str(change.kind) for change in (one, other))
            yield Mismatch(delivery_id, "change", *kinds)
        else:
            yield from (Mismatch(delivery_id, *found) for found in _differing(one, other))


def _differing(stored: Change, replayed: Change) -> Iterator[tuple[str, Any, Any]]:
    for name in Change.__struct_fields__:
        before, after = getattr(stored, name), getattr(replayed, name)
        # An earlier replay has marked what it set right.
        marked = name == "source" and before is Source.REPLAY
        # A version counts the changes before it: one that is missing or new is told of by itself.
        if name != "version" and not marked and _differ(before, after):
            yield name, before, after


def _marked(stored: Sequence[Change], replayed: Sequence[Change]) -> list[Change]:
    """Give the replayed history, with the source `replay` where it is not as it was stored."""
    known = {change.delivery_id: change for change in stored}
    marked = []
    for change in replayed:
        old = known.get(change.delivery_id)
        same = old is not None and not any(_differing(old, change))
        marked.append(msgspec.structs.replace(change, source=old.source if same and old else Source.REPLAY))
    return marked


def _differ(one: Any, other: Any) -> bool:
    return canonical(one) != canonical(other)
