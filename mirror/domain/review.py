"""What the mirror reads of a review object, leniently: any field may be null, missing or of an odd shape. No I/O."""

from typing import Any

import msgspec

# Names of indexes and labels of metrics are made from these texts.
MAX_FILTER_CHARS = 100

_CANONICAL = msgspec.json.Encoder(order="sorted")


def is_deleted(review: dict[str, Any]) -> bool:
    """Tell whether Partoo reports the review deleted: `state` says so, whatever `delete_date` holds."""
    return review.get("state") == "deleted"


def text_field(review: dict[str, Any], name: str) -> str:
    """Return a field used for filtering as text of bounded length, empty where it is missing, null or not a scalar."""
    value = review.get(name)
    return str(value)[:MAX_FILTER_CHARS] if isinstance(value, str | int) else ""


def canonical(value: Any) -> bytes:
    """Encode a JSON value so that equal values, and only they, give equal bytes; the order of keys does not count."""
    return _CANONICAL.encode(value)
