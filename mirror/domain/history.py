"""A review's history read backwards and forwards: its first payload, and its record as of a moment. Performs no I/O."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from mirror.domain.changes import Change, Kind, redo, undo
from mirror.domain.decisions import marks
from mirror.domain.lifecycle import FIRST_STATUS, TRANSITIONS, Status, Trigger
from mirror.domain.record import SCHEMA_VERSION, CorruptError, Record
from mirror.domain.review import is_deleted


class HistoryTrimmedError(LookupError):
    """A history does not reach back to the moment asked for. `since` is when it begins (ms since 1970 UTC)."""

    def __init__(self, since: int) -> None:
        super().__init__("older changes have been trimmed")
        self.since = since


def first_payload(record: Record, changes: Iterable[Change]) -> dict[str, Any]:
    """Work out the payload with which a review was first seen. `changes` is its whole history, the oldest first.

    Of a history whose beginning was trimmed: the payload at that moment.

    A reappearance is stored against the last live snapshot, not against the deletion before it, so inside an absence
    the payloads on the way are not those of the time; but going back over the vanishing sets right every field that
    the absence touched. Raises CorruptError where the history does not lead back to a payload of this review.
    """
    payload = record.review
    for change in reversed(list(changes)):
        payload = undo(payload, change)
    if payload.get("id") != record.id:
        raise CorruptError(record.id, "its history does not lead back to its first payload")
    return payload


def replay(first: dict[str, Any], changes: Iterable[Change]) -> Record | None:
    """Fold a history, the oldest change first, into the record it describes; None for an empty one.

    What a record remembers only for the reducer (windows, fingerprints) is not part of a history and stays empty, and
    `last_received_at` is the time of the last change.
    """
    last = deque(records(first, changes), maxlen=1)
    return last[0] if last else None


def records(first: dict[str, Any], changes: Iterable[Change]) -> Iterator[Record]:
    """Give the record after each change of a history, as `replay` gives the last of them."""
    record: Record | None = None
    for change in changes:
        record = _begin(first, change) if record is None else _apply(record, change)
        yield record


def as_of(record: Record, changes: Sequence[Change], moment: int) -> Record | None:
    """Return the record as it was at a moment (ms since 1970 UTC), None if the review was not mirrored yet.

    `changes` is its whole history, the oldest first. A review that was forgotten was so at all times. Raises
    HistoryTrimmedError for a moment before what is left of a history.
    """
    if moment >= record.last_received_at or record.forgotten_at is not None:
        return record
    if changes and changes[0].trimmed is not None and record.first_seen_at <= moment < changes[0].received_at:
        raise HistoryTrimmedError(changes[0].received_at)
    return replay(first_payload(record, changes), changes_until(changes, moment))


def changes_until(changes: Iterable[Change], moment: int) -> list[Change]:
    return [change for change in changes if change.received_at <= moment]


def _begin(first: dict[str, Any], change: Change) -> Record:
    status = FIRST_STATUS[_trigger(first)]
    at = change.received_at
    first_seen_at, reappearances = at, 0
    if change.trimmed is not None:
        first_seen_at, reappearances = change.trimmed.first_seen_at, change.trimmed.reappearances
    return Record(
        schema=SCHEMA_VERSION,
        id=first["id"],
        status=status,
        version=change.version,
        review=first,
        first_seen_at=first_seen_at,
        last_changed_at=at,
        last_received_at=at,
        missing_since=at if status is Status.MISSING else None,
        reappearances=reappearances,
        **marks(change.certainty),
    )


def _apply(record: Record, change: Change) -> Record:
    returned = change.kind is Kind.REAPPEARED
    base = record.last_live if returned and record.last_live is not None else record.review
    review = redo(base, change)
    trigger = Trigger.GRACE_OVER if change.kind is Kind.GONE else _trigger(review)
    status = TRANSITIONS[record.status, trigger]
    last_live, missing_since = record.last_live, record.missing_since
    if change.kind is Kind.VANISHED:
        last_live, missing_since = record.review, change.received_at
    elif returned:
        last_live, missing_since = None, None
    return msgspec.structs.replace(
        record,
        version=change.version,
        status=status,
        review=review,
        last_live=last_live,
        missing_since=missing_since,
        reappearances=record.reappearances + returned,
        **marks(change.certainty),
        last_changed_at=change.received_at,
        last_received_at=change.received_at,
    )


def _trigger(review: dict[str, Any]) -> Trigger:
    return Trigger.DELETED if is_deleted(review) else Trigger.SHOWN
