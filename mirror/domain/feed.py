"""The feed: every change of every review, in one order, for programs that follow along. Performs no I/O.

An entry names a change; what changed and the review at that version are read from the review's record and history when
the entry is shown, so that the feed itself stays small.
"""

import re
from collections.abc import Collection, Sequence
from typing import Any, Self

import msgspec

from mirror.domain.changes import BEGINNINGS, Change, Kind, undo
from mirror.domain.history import first_payload, records
from mirror.domain.lifecycle import Status
from mirror.domain.record import Record
from mirror.domain.review import is_deleted

# Kinds of entries that are no change in a history.
FORGOTTEN = "forgotten"
REPLAYED = "replayed"
INCIDENT_OPENED = "incident.opened"
INCIDENT_CLOSED = "incident.closed"
SILENCE_BEGAN = "silence.began"
SILENCE_ENDED = "silence.ended"
REVIEW_KINDS = (*(str(kind) for kind in Kind if kind is not Kind.TRIMMED), FORGOTTEN, REPLAYED)
KINDS = (*REVIEW_KINDS, INCIDENT_OPENED, INCIDENT_CLOSED, SILENCE_BEGAN, SILENCE_ENDED)
_CURSOR = re.compile(r"([0-9]{1,15})-([0-9]{1,19})")


class Position(msgspec.Struct, frozen=True, order=True):
    """A place in the feed: behind the entry with this id. `at` is in milliseconds since 1970 UTC, by Redis's clock."""

    at: int
    number: int = 0

    def __str__(self) -> str:
        return f"{self.at}-{self.number}"

    @property
    def before(self) -> "Position":
        """The place right before the entry with this id."""
        return Position(self.at, self.number - 1) if self.number else Position(self.at - 1, _LAST_NUMBER)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what `str` writes. Raises ValueError."""
        match = _CURSOR.fullmatch(text)
        if match is None:
            raise ValueError("is no cursor of this feed")
        return cls(int(match[1]), int(match[2]))


_LAST_NUMBER = 2**63 - 1
BEGINNING = Position(0)


class CursorExpiredError(LookupError):
    """What followed a cursor is not kept any more."""

    def __init__(self) -> None:
        super().__init__("the feed does not reach back to this cursor any more")


class Bounds(msgspec.Struct, frozen=True):
    """What the feed holds: from `first`, None when it is empty, to `last`. `trimmed`: older entries are gone."""

    first: Position | None = None
    last: Position = BEGINNING
    trimmed: bool = False

    def check(self, cursor: Position) -> None:
        """Raise CursorExpiredError if an entry behind `cursor` is missing, or the cursor is of another feed.

        A cursor beyond the end was given by a server whose last entries a failover has lost.
        """
        if cursor > self.last or cursor < self.oldest:
            raise CursorExpiredError

    @property
    def oldest(self) -> Position:
        """The cursor from which a reader gets all that is kept."""
        if not self.trimmed:
            return BEGINNING
        return self.last if self.first is None else self.first.before


class Entry(msgspec.Struct, frozen=True):
    """One entry of the feed. `facts` is set where it is not about a review, and is what it tells."""

    position: Position
    kind: str
    review_id: int = 0
    version: int = 0
    delivery_id: str = ""
    facts: dict[str, Any] | None = None


class Shown(msgspec.Struct, frozen=True):
    """An entry with what it stands for: the change, and the record right after it.

    Both are None where nothing of it is kept: the review was forgotten since, or its history trimmed.
    """

    entry: Entry
    change: Change | None = None
    record: Record | None = None


def state_after(record: Record, newer: Sequence[Change]) -> Record | None:
    """Undo `newer`, the last changes of a history, the oldest first; None where only the whole history tells.

    A reappearance is stored against the last live snapshot, so going back over one does not give the payloads of the
    absence before it. Whether an absence had outlasted its grace stands nowhere but in the history either.
    """
    if not newer:
        return record
    payload = record.review
    for change in reversed(newer):
        if change.kind in (Kind.REAPPEARED, *BEGINNINGS):
            return None
        payload = undo(payload, change)
    if is_deleted(payload):
        return None
    return msgspec.structs.replace(
        record, version=newer[0].version - 1, status=Status.LIVE, review=payload, last_live=None, missing_since=None
    )


def states_in_history(record: Record, changes: Sequence[Change], versions: Collection[int]) -> dict[int, Record]:
    """Replay a whole history, the oldest change first; give the records of these versions, as far as it has them."""
    told = records(first_payload(record, changes), changes)
    return {one.version: one for one in told if one.version in versions}
