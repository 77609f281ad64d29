"""What is left of a history once its beginning is trimmed. Performs no I/O.

What is older than HISTORY_RETENTION goes, and what exceeds MAX_CHANGES. The changes before a cut give way to one entry,
the newest of them as a marker: kind `trimmed`, no fields. It begins the history as a first sight does, so that going
back over the changes still leads to the payload of that moment, and going forward again to the record. That holds only
where the review was live at the cut: inside an absence the payloads on the way are not those of the time
(`mirror.domain.history`), so an absence is kept whole.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from mirror.domain.changes import BEGINNINGS, Change, Kind, Trimmed
from mirror.domain.history import Rewind
from mirror.domain.record import Record

# How many changes of one review are kept: whoever can send its deliveries again makes as many as they like.
MAX_CHANGES = 10_000
# A history is looked at each time that many changes have been added, and cut to as many less than MAX_CHANGES.
TRIM_STEP = 1_000


class Cut(msgspec.Struct, frozen=True):
    """Where to trim: the change at index `at` becomes `marker`, and those before it go."""

    at: int
    marker: Change


class CutFinder:
    """Finds, in a history told backwards, the cut that leaves as little as possible beyond what is to be kept.

    To be kept are the changes received at `horizon` (ms since 1970 UTC) or later, and at most `most` in any case.
    """

    def __init__(self, record: Record, horizon: int = 0, most: int = MAX_CHANGES) -> None:
        self._rewind = Rewind(record)
        self._horizon = horizon
        self._left = most
        self.marker: Change | None = None

    def take(self, change: Change) -> bool:
        """Take the next older change; tells whether no more are needed. Raises CorruptError."""
        if change.kind in BEGINNINGS:
            return True
        self._left -= 1
        if self._rewind.is_live and (change.received_at < self._horizon or self._left <= 0):
            then = self._rewind.record_after(change)
            trimmed = Trimmed(then.first_seen_at, then.reappearances)
            nothing: dict[str, Any] = {"fields": {}, "added": (), "removed": (), "missing_for": None}
            self.marker = msgspec.structs.replace(change, kind=Kind.TRIMMED, trimmed=trimmed, **nothing)
            return True
        self._rewind.take(change)
        return False


def needs_trimming(before: int, after: int) -> bool:
    """Tell whether a history that has grown from one version to another is to be looked at."""
    return after // TRIM_STEP > before // TRIM_STEP and after >= MAX_CHANGES - TRIM_STEP


def cut(record: Record, changes: Sequence[Change], horizon: int) -> Cut | None:
    """Find where to trim a whole history, the oldest change first; None if no cut helps. Raises CorruptError."""
    finder = CutFinder(record, horizon)
    for change in reversed(changes):
        if finder.take(change):
            break
    return None if finder.marker is None else Cut(finder.marker.version - changes[0].version, finder.marker)
