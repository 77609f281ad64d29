"""Words that several pages use."""

from datetime import UTC, datetime
from urllib.parse import quote

from mirror.domain.incidents import Incident
from service.console.visit import PageError

# As in the time fields of the forms.
_EXAMPLE = "2025-09-12T08:00:00Z"
_LATEST_MS = 253_402_300_799_999


def counted(count: int, one: str, many: str | None = None) -> str:
    """Write a count with what it counts, such as `1 review` or `2 reviews`."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def scope_words(incident: Incident) -> str:
    ((kind, name),) = incident.of.items()
    return f"{'business' if kind == 'business_id' else kind} {name}"


def quoted(text: str) -> str:
    """Write a text as a part of a URL."""
    return quote(text, safe="")


def moment(text: str, what: str) -> int | None:
    """Read a time that somebody typed, in ms since 1970 UTC; without an offset it is UTC. None where there is none.

    Raises PageError.
    """
    if not text:
        return None
    try:
        read = datetime.fromisoformat(text)
        found = int((read if read.tzinfo is not None else read.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        found = -1
    if not 0 <= found <= _LATEST_MS:
        raise PageError(400, "This time cannot be read", f"{what}: write a time in UTC as in {_EXAMPLE}.")
    return found


def whole_number(text: str, what: str, default: int) -> int:
    """Read a whole number of a URL. Raises PageError."""
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 19):  # noqa: PLR2004 - the digits of the largest id
        raise PageError(400, "This address cannot be read", f"{what} must be a whole number.")
    return int(text)
