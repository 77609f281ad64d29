"""What waits for a review: entries of its inbox. Performs no I/O.

An inbox entry is a header, a line end, and the raw body as it was received. The header is a JSON array that begins with
the delivery id, which begins with the time of receipt: the Lua scripts read both at their fixed places. Of a webhook's
delivery that is all of it; earlier releases, and other sources, tell time and source behind it. That of an
entry of which is known when it was first sent ends with that time; once applied it is kept with it, for replay.
"""

import re

import msgspec

from mirror.domain.changes import Source


class Entry(msgspec.Struct, frozen=True):
    """One accepted delivery as it waits. `received_at` is in milliseconds since 1970 UTC; `body` is raw.

    `first_attempt_at`: when the same body was sent first, if Partoo did not get the acknowledgement of that. The
    process that accepts it may know, or it is found out when the entry is decided on.
    """

    delivery_id: str
    received_at: int
    source: Source
    body: bytes
    first_attempt_at: int | None = None


class _Header(msgspec.Struct, frozen=True, array_like=True):
    """Of a webhook's delivery that was received when its id says, as nearly all are, the id alone."""

    delivery_id: str
    received_at: int | None = None
    source: Source | None = None
    first_attempt_at: int | None = None


_DELIVERY_ID = re.compile("[0-9a-f]{24}")
_HEADER = msgspec.json.Decoder(_Header)


def make_delivery_id(received_at: int, noise: int) -> str:
    """Make a delivery's id, so that ids sort by time: 12 hexadecimal digits of milliseconds, 12 of 48 random bits."""
    return f"{received_at << 48 | noise:024x}"


def received_at(delivery_id: str) -> int:
    """Tell when a delivery was received (ms since 1970 UTC), which its id begins with."""
    return int(delivery_id[:12], 16)


def encode_header(entry: Entry) -> bytes:
    is_usual = entry.source is Source.WEBHOOK and entry.received_at == received_at(entry.delivery_id)
    facts: tuple[str | int, ...] = (entry.delivery_id,)
    if not is_usual or entry.first_attempt_at is not None:
        facts += (entry.received_at, entry.source)
    if entry.first_attempt_at is not None:
        facts += (entry.first_attempt_at,)
    return msgspec.json.encode(facts)


def encode_entry(entry: Entry) -> bytes:
    """Write an entry with its body as it is; `mirror.storage.entries` writes what Redis holds."""
    return encode_header(entry) + b"\n" + entry.body


def decode_entry(data: bytes) -> Entry:
    """Read an entry back, its body as it stands there. Raises msgspec.DecodeError if these are not the bytes of one."""
    head, _, body = data.partition(b"\n")
    header = _HEADER.decode(head)
    if header.received_at is not None and header.source is not None:
        return Entry(header.delivery_id, header.received_at, header.source, body, header.first_attempt_at)
    if header.received_at is not None or not _DELIVERY_ID.fullmatch(header.delivery_id):
        raise msgspec.DecodeError("the header of this entry is not one")
    return Entry(header.delivery_id, received_at(header.delivery_id), Source.WEBHOOK, body)
