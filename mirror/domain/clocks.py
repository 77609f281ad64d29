"""The clocks in a review object, and what comparing two of them proves. Performs no I/O.

Like is compared with like: `update_date` with `update_date`, and `date` with `date` only where neither side has an
`update_date`. A clock proves nothing where it is missing, cannot be read, lies before the review's own `date`, or lies
more than FUTURE_TOLERANCE_MS after the moment at which its payload was received. Two clocks are equal at the precision
of the coarser one. So one odd clock cannot keep later news out.
"""

import re
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

from mirror.domain.review import is_deleted

# How far a clock may lie after the receipt of its payload.
FUTURE_TOLERANCE_MS = 300_000
# By how much Partoo's clock and ours may differ: a `delete_date` this close to a time of receipt does not tell which of
# the two came first.
CLOCK_TOLERANCE_MS = 60_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECOND_US = 1_000_000
_TIME_OF_DAY = re.compile(r"[T ](\d\d)(:?\d\d)?(:?\d\d)?(?:[.,](\d+))?")
_MICROSECOND_DIGITS = 6
# No date is longer; a longer text is not kept in the cache.
_MAX_CHARS = 64


class Order(Enum):
    """How one clock relates to another."""

    OLDER = "older"
    SAME = "same"
    NEWER = "newer"
    UNKNOWN = "unknown"  # one of the two proves nothing


class Instant(NamedTuple):
    """A moment in microseconds since 1970 UTC, written with a precision of so many microseconds."""

    at: int
    precision: int


class Payload(NamedTuple):
    """A review object and the moment at which it was received, in milliseconds since 1970 UTC."""

    review: dict[str, Any]
    received_at: int


def instant(value: Any) -> Instant | None:
    """Read an ISO 8601 time; None for whatever cannot be read as one.

    Partoo writes an offset; where one is missing its API means UTC (developers.partoo.co, retrieve-reviews).
    """
    return _parse(value) if isinstance(value, str) and len(value) <= _MAX_CHARS else None


@lru_cache(maxsize=4096)
def _parse(text: str) -> Instant | None:
    try:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return Instant((aware - _EPOCH) // _MICROSECOND, _precision(text))
    except (ValueError, OverflowError):
        return None


def _precision(text: str) -> int:
    found = _TIME_OF_DAY.search(text)
    if found is None:
        return 86_400 * _SECOND_US
    _, minute, second, fraction = found.groups()
    if fraction:
        return int(10 ** max(0, _MICROSECOND_DIGITS - len(fraction)))
    return _SECOND_US if second else 60 * _SECOND_US if minute else 3_600 * _SECOND_US


def order(first: Instant | None, second: Instant | None) -> Order:
    """Compare two moments at the precision of the coarser one."""
    if first is None or second is None:
        return Order.UNKNOWN
    unit = max(first.precision, second.precision)
    one, other = first.at // unit, second.at // unit
    return Order.SAME if one == other else Order.OLDER if one < other else Order.NEWER


def same_instant(first: Instant, second: Instant) -> bool:
    """Tell whether two notations may mean one moment, whether the coarser one was cut off or rounded."""
    unit = max(first.precision, second.precision)
    fine, coarse = (first, second) if first.precision < second.precision else (second, first)
    return coarse.at // unit in {fine.at // unit, (fine.at + unit // 2) // unit}


def compare(shown: Payload, mirrored: Payload) -> Order:
    """Tell whether the first payload's clock is older or newer than the second's."""
    name = "update_date" if _has_update(shown) or _has_update(mirrored) else "date"
    return order(usable(shown, name), usable(mirrored, name))


def clock_of(payload: Payload) -> Instant | None:
    """Return the clock of a payload, None where it proves nothing."""
    return usable(payload, "update_date" if _has_update(payload) else "date")


def age_of(payload: Payload) -> tuple[str, Instant | None]:
    """Return what tells how old a payload is, by its field: of a deletion its `delete_date`, else its clock."""
    updated = "update_date" if _has_update(payload) else "date"
    field = "delete_date" if is_deleted(payload.review) else updated
    return field, usable(payload, field)


def deleted_at(payload: Payload) -> Instant | None:
    """Return the `delete_date` of a payload, None where it proves nothing."""
    return usable(payload, "delete_date")


def filter_clock(review: dict[str, Any]) -> int | None:
    """Return the moment by which Partoo's search filters a review, in microseconds since 1970 UTC; None without any.

    Where a review has no update date its creation date counts (developers.partoo.co, retrieve-reviews).
    """
    found = instant(review.get("update_date")) or instant(review.get("date"))
    return None if found is None else found.at


def usable(payload: Payload, name: str) -> Instant | None:
    """Return the moment in a field of a payload, None where it is missing, cannot be read or is not plausible."""
    found = instant(payload.review.get(name))
    if found is None or found.at > (payload.received_at + FUTURE_TOLERANCE_MS) * 1000:
        return None
    return None if order(found, instant(payload.review.get("date"))) is Order.OLDER else found


def _has_update(payload: Payload) -> bool:
    return payload.review.get("update_date") not in (None, "")
