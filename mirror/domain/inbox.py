"""What waits for a review: entries of its inbox. Performs no I/O.

An inbox entry is a header, a line end, and the raw body as it was received. The header is a JSON array that begins with
the delivery id, which begins with the time of receipt: the Lua scripts read both at their fixed places.
"""

import msgspec

from mirror.domain.changes import Source


class Entry(msgspec.Struct, frozen=True):
    """One accepted delivery as it waits. `received_at` is in milliseconds since 1970 UTC; `body` is raw.

    `offered_at`: when the same body was first offered, if Partoo did not get the acknowledgement of that. It does not
    stand in the inbox, but is found out when the entry is decided on.
    """

    delivery_id: str
    received_at: int
    source: Source
    body: bytes
    offered_at: int | None = None


class _Header(msgspec.Struct, frozen=True, array_like=True):
    delivery_id: str
    received_at: int
    source: Source


_HEADER = msgspec.json.Decoder(_Header)


def make_delivery_id(received_at: int, noise: int) -> str:
    """Make a delivery's id, so that ids sort by time: 12 hexadecimal digits of milliseconds, 12 of 48 random bits."""
    return f"{received_at:012x}{noise:012x}"


def encode_entry(entry: Entry) -> bytes:
    header = _Header(entry.delivery_id, entry.received_at, entry.source)
    return msgspec.json.encode(header) + b"\n" + entry.body


def decode_entry(data: bytes) -> Entry:
    """Read an entry back. Raises msgspec.DecodeError if these are not the bytes of one."""
    head, _, body = data.partition(b"\n")
    header = _HEADER.decode(head)
    return Entry(header.delivery_id, header.received_at, header.source, body)
