"""What of a review may stand in a log. Names and texts are personal data; ratings, states, tags and dates are not.

Performs no I/O.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from mirror.domain.review import canonical

# Everything else, unknown fields too, is taken for personal.
PUBLIC_FIELDS = frozenset(
    {"id", "business_id", "partner", "rating", "recommended", "state", "tags", "date", "update_date", "delete_date"}
)
MAX_LOGGED_BYTES = 600
# What is longer than any date, state or id is not one, whatever field it stands in.
MAX_PUBLIC_CHARS = 64


def loggable(fields: Mapping[str, tuple[Any, Any]], *, with_text: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split changed fields into what they were and what they are, as far as a log may show it.

    A personal value is shown as its length (in characters, or in bytes of JSON where it is not a text) and a short
    hash, which tells equal from different; `with_text` shows it whole. What would make a line too long is cut.
    """
    old = {name: _show(name, pair[0], with_text=with_text) for name, pair in fields.items()}
    new = {name: _show(name, pair[1], with_text=with_text) for name, pair in fields.items()}
    return old, new


def public_fields(review: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a review what is not personal, as far as a log may show it."""
    return {name: _show(name, value, with_text=False) for name, value in review.items() if name in PUBLIC_FIELDS}


def _show(name: str, value: Any, *, with_text: bool) -> Any:
    if value is None or value is True or value is False:
        return value
    public = name in PUBLIC_FIELDS and not (isinstance(value, str) and len(value) > MAX_PUBLIC_CHARS)
    if public and (isinstance(value, str) or value == []):
        return value
    encoded = canonical(value)
    if (with_text or public) and len(encoded) <= MAX_LOGGED_BYTES:
        return value
    length = len(value) if isinstance(value, str) else len(encoded)
    return {"length": length, "hash": hashlib.blake2b(encoded, digest_size=4).hexdigest()}
