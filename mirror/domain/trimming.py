"""What is left of a history once what is older than HISTORY_RETENTION is trimmed. Performs no I/O.

The changes before a cut give way to one entry, the newest of them as a marker: kind `trimmed`, no fields. It begins the
history as a first sight does, so that going back over the changes still leads to the payload of that moment, and going
forward again to the record. That holds only where the review was live at the cut: inside an absence the payloads on the
way are not those of the time (`mirror.domain.history`), so an absence is kept whole.
"""

from collections.abc import Sequence

import msgspec

from mirror.domain.changes import Change, Kind, Trimmed
from mirror.domain.history import first_payload, records
from mirror.domain.lifecycle import Status
from mirror.domain.record import Record


class Cut(msgspec.Struct, frozen=True):
    """Where to trim: the change at index `at` becomes `marker`, and those before it go."""

    at: int
    marker: Change


def cut(record: Record, changes: Sequence[Change], horizon: int) -> Cut | None:
    """Find the cut that leaves as little as possible from before `horizon` (ms since 1970 UTC); None if none helps.

    Raises CorruptError where the history does not lead back to its first payload.
    """
    found = None
    for at, then in enumerate(records(first_payload(record, changes), changes)):
        if changes[at].received_at >= horizon:
            break
        if at and then.status is Status.LIVE:
            trimmed = Trimmed(then.first_seen_at, then.reappearances)
            found = Cut(
                at,
                msgspec.structs.replace(
                    changes[at],
                    kind=Kind.TRIMMED,
                    fields={},
                    added=(),
                    removed=(),
                    missing_for=None,
                    trimmed=trimmed,
                ),
            )
    return found
