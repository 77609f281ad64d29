"""What the mirror reads of a review object, leniently: any field may be null, missing or of an odd shape. No I/O."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

# Names of indexes and labels of metrics are made from these texts.
MAX_FILTER_CHARS = 100

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CANONICAL = msgspec.json.Encoder(order="sorted")


def is_deleted(review: dict[str, Any]) -> bool:
    """Tell whether Partoo reports the review deleted: `state` says so, whatever `delete_date` holds."""
    return review.get("state") == "deleted"


def clock(review: dict[str, Any]) -> int | None:
    """Return the review's own time in microseconds since 1970 UTC: `update_date`, else `date`; None without either."""
    moment = _moment(review.get("update_date"))
    return moment if moment is not None else _moment(review.get("date"))


def delete_clock(review: dict[str, Any]) -> int | None:
    """Return `delete_date` in microseconds since 1970 UTC, None where it is missing or not a date."""
    return _moment(review.get("delete_date"))


def is_older(first: int | None, second: int | None) -> bool:
    """Tell whether one clock is known to be before the other; unknown clocks prove nothing."""
    return first is not None and second is not None and first < second


def text_field(review: dict[str, Any], name: str) -> str:
    """Return a field used for filtering as text of bounded length, empty where it is missing, null or not a scalar."""
    value = review.get(name)
    return str(value)[:MAX_FILTER_CHARS] if isinstance(value, str | int) else ""


def canonical(value: Any) -> bytes:
    """Encode a JSON value so that equal values, and only they, give equal bytes; the order of keys does not count."""
    return _CANONICAL.encode(value)


def _moment(text: Any) -> int | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        # Partoo writes an offset; where one is missing its API means UTC (developers.partoo.co, retrieve-reviews).
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return (aware - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return None
