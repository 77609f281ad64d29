"""Absences: what commits tell of their begin and end, for the numbers that say what a deletion means. Performs no I/O.

An absence begins when a review is first seen deleted or vanishes, and ends when the review is back. Meanwhile the
review may become gone. It is counted for the whole mirror, for its partner and for its business.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

import msgspec

from mirror.domain.changes import Source
from mirror.domain.decisions import Decision
from mirror.domain.lifecycle import Status
from mirror.domain.record import Delivery, Record
from mirror.domain.review import text_field


class AbsenceEventKind(StrEnum):
    BEGAN = "began"
    RETURNED = "returned"
    GONE = "gone"
    FORGOTTEN = "forgotten"  # the record holds no absence any more, though the review is not back: it does not count
    POSTPONED = "postponed"  # checked before its grace was over: to be checked again
    MOVED_FROM = "moved_from"  # a deletion named another business or partner than the one before
    MOVED_TO = "moved_to"


class AbsenceEvent(msgspec.Struct, frozen=True):
    """One step of an absence. `at` and `lasted` are in milliseconds, `at` since 1970 UTC.

    `at` is the begin of the absence, for a postponed check the time of the check; `was_gone` tells whether the review
    was gone before this step.
    """

    kind: AbsenceEventKind
    at: int
    partner: str
    business_id: str
    was_gone: bool = False
    lasted: int = 0


class Counts(msgspec.Struct, frozen=True):
    """How the absences that began have ended.

    `returned_from_gone` counts those of `returned` that were gone before; `gone` all that became gone, also if they
    returned later. `back` is the histogram of how long the returned were missing.
    """

    absences: int
    returned: int
    returned_from_gone: int
    gone: int
    back: Mapping[int, int]

    @property
    def ended_gone(self) -> int:
        return self.gone - self.returned_from_gone

    @property
    def going_on(self) -> int:
        return self.absences - self.returned - self.ended_gone


class Overview(msgspec.Struct, frozen=True):
    """The counts of the whole mirror, of its partners, and of the businesses with the most absences, most first."""

    overall: Counts
    by_partner: dict[str, Counts]
    by_business: dict[str, Counts]


def absence_events(before: Record | None, decisions: Sequence[Decision]) -> list[AbsenceEvent]:
    """List the steps of absences that decisions on one review made, in their order."""
    if _absent(before) is None and all(decision.record.missing_since is None for decision in decisions):
        return []  # nearly all there is
    found: list[AbsenceEvent] = []
    for decision in decisions:
        after = decision.record
        found += _events(before, after, decision.delivery)
        before = after
    return found


def absence_events_of(history: Iterable[Record]) -> list[AbsenceEvent]:
    """List the steps of absences that a review's whole history tells, given the record after each change."""
    found: list[AbsenceEvent] = []
    before = None
    for after in history:
        found += _events(before, after)
        before = after
    return found


def _events(before: Record | None, after: Record, delivery: Delivery | None = None) -> Iterator[AbsenceEvent]:
    was, now = _absent(before), _absent(after)
    if was is None:
        if now is not None:
            yield _event(AbsenceEventKind.BEGAN, now)
    elif now is None:
        gone = was.status is Status.GONE
        if after.status is Status.LIVE:
            lasted = max(0, after.last_changed_at - (was.missing_since or 0))
            yield _event(AbsenceEventKind.RETURNED, was, was_gone=gone, lasted=lasted)
        else:
            yield _event(AbsenceEventKind.FORGOTTEN, was, was_gone=gone)
    else:
        yield from _still_absent(was, now, delivery)


def _still_absent(was: Record, now: Record, delivery: Delivery | None) -> Iterator[AbsenceEvent]:
    gone = was.status is Status.GONE
    if scope(was) != scope(now):
        yield _event(AbsenceEventKind.MOVED_FROM, was, was_gone=gone)
        yield _event(AbsenceEventKind.MOVED_TO, now, was_gone=gone)
    if now.status is not was.status:
        yield _event(AbsenceEventKind.GONE, now)
    elif delivery is not None and delivery.source is Source.GRACE and not gone:
        yield msgspec.structs.replace(_event(AbsenceEventKind.POSTPONED, now), at=delivery.received_at)


def _event(kind: AbsenceEventKind, record: Record, *, was_gone: bool = False, lasted: int = 0) -> AbsenceEvent:
    partner, business_id = scope(record)
    return AbsenceEvent(kind, record.missing_since or 0, partner, business_id, was_gone, lasted)


def _absent(record: Record | None) -> Record | None:
    return None if record is None or record.missing_since is None else record


def scope(record: Record) -> tuple[str, str]:
    """Return the partner and the business of an absent review; a deletion that leaves them out means the old ones."""
    sides = (record.review, record.last_live or {})
    partner, business_id = (
        next((text for side in sides if (text := text_field(side, name))), "") for name in ("partner", "business_id")
    )
    return partner, business_id
