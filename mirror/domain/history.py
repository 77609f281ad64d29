"""A review's history read backwards and forwards: its first payload, and its record as of a moment. Performs no I/O.

A history may be long. What reads it backwards takes one change after the other, the newest first, and holds no more
than it needs, so that a caller can read the history in pieces and stop early.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from mirror.domain.changes import BEGINNINGS, Change, Kind, redo, undo
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
    beginning = Rewind(record)
    for change in reversed(list(changes)):
        beginning.take(change)
    return beginning.payload


class Rewind:
    """A review on its way back through its history. It has the state before the last change taken."""

    def __init__(self, record: Record) -> None:
        self.is_live = record.status is Status.LIVE
        self._id = record.id
        self._first_seen_at = record.first_seen_at
        self._reappearances = record.reappearances
        self._payload = record.review

    @property
    def payload(self) -> dict[str, Any]:
        """The payload: that of the time wherever the review was live. Raises CorruptError where it is none of it."""
        if self._payload.get("id") != self._id:
            raise CorruptError(self._id, "its history does not lead back to its first payload")
        return self._payload

    def take(self, change: Change) -> bool:
        """Go back over the next older change. Always returns False: it never has enough."""
        self._payload = undo(self._payload, change)
        if change.kind is Kind.REAPPEARED:
            self.is_live = False
            self._reappearances -= 1
        elif change.kind is Kind.VANISHED:
            self.is_live = True
        return False

    def record_after(self, change: Change) -> Record:
        """Give the record after the next older change, which made the review what it is here: live.

        Raises CorruptError.
        """
        at = change.received_at
        return Record(
            schema=SCHEMA_VERSION,
            id=self._id,
            status=Status.LIVE,
            version=change.version,
            review=self.payload,
            first_seen_at=self._first_seen_at,
            last_changed_at=at,
            last_received_at=at,
            reappearances=self._reappearances,
            **marks(change.certainty),
        )


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
    lookback = Lookback(record, moment)
    for change in reversed(changes):
        if lookback.take(change):
            break
    return lookback.found()


class Lookback:
    """Finds a review as it was at a moment, in its history told backwards.

    It goes back to the last change up to that moment after which the review was live, and forward again from there:
    within an absence the way back does not give the payloads of the time.
    """

    def __init__(self, record: Record, moment: int) -> None:
        self._record = record
        self._moment = moment
        self._rewind = Rewind(record)
        self._base: Record | None = None
        self._following: list[Change] = []  # the newest first
        self._oldest: Change | None = None
        self._is_now = moment >= record.last_received_at or record.forgotten_at is not None

    def take(self, change: Change) -> bool:
        """Take the next older change; tells whether no more are needed. Raises CorruptError."""
        if self._is_now or self._base is not None:
            return True
        self._oldest = change
        is_beginning = change.kind in BEGINNINGS
        if change.received_at <= self._moment:
            if is_beginning or self._rewind.is_live:
                self._base = _begin(self._rewind.payload, change) if is_beginning else self._rewind.record_after(change)
                return True
            self._following.append(change)
        self._rewind.take(change)
        return False

    def found(self) -> Record | None:
        """Give the record, None if the review was not mirrored yet. Raises HistoryTrimmedError or CorruptError."""
        if self._is_now:
            return self._record
        oldest = self._oldest
        if self._base is None:
            if oldest is not None and oldest.trimmed is not None and self._record.first_seen_at <= self._moment:
                raise HistoryTrimmedError(oldest.received_at)
            return None
        record = self._base
        for change in reversed(self._following):
            record = _apply(record, change)
        return record


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
