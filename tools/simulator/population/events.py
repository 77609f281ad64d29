"""One happening in a review's life, and simulated time. Performs no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

START = datetime(2025, 9, 1, tzinfo=UTC)
"""Where simulated time begins; everything counts seconds from here."""

DAY = 86_400.0
# Partoo's samples carry the offset of Paris in summer.
_OFFSET = timezone(timedelta(hours=2))


class Kind(StrEnum):
    """What happened. `vanished` and `deleted` look the same on the wire: only the truth knows which is for good."""

    CREATED = "created"
    EDITED = "edited"
    RATED = "rated"
    TAGGED = "tagged"
    UNTAGGED = "untagged"
    REPLIED = "replied"
    MARKED = "marked"
    VANISHED = "vanished"
    DELETED = "deleted"
    RETURNED = "returned"


ABSENCES = frozenset({Kind.VANISHED, Kind.DELETED})


@dataclass(frozen=True, slots=True)
class TruthEvent:
    """Something that happened: `at` in seconds of simulated time, `payload` the review object from then on.

    Payloads share their parts with one another and are never changed.
    """

    at: float
    review_id: int
    kind: Kind
    payload: Mapping[str, Any]


def moment(at: float) -> datetime:
    """Turn seconds of simulated time into a date."""
    return START + timedelta(seconds=at)


def iso(at: float) -> str:
    """Write a simulated moment as Partoo does: with offset and microseconds."""
    return moment(at).astimezone(_OFFSET).isoformat(timespec="microseconds")
