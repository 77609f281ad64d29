"""Many values in one argument of a Lua script: the client's cost of a command grows with its arguments. No I/O."""

from collections.abc import Sequence

import msgspec

_ENCODER = msgspec.msgpack.Encoder()
# msgpack's longest kind of text. Bytes go as text: Redis's cmsgpack knows no other, and Lua does not tell them apart.
_TEXT = b"\xdb"


def pack(values: Sequence[str | bytes]) -> bytes:
    """Write values as the msgpack array that `cmsgpack.unpack` reads; each arrives as a string of the same bytes."""
    return _ENCODER.encode([_as_text(value) if isinstance(value, bytes) else value for value in values])


def _as_text(value: bytes) -> msgspec.Raw:
    return msgspec.Raw(_TEXT + len(value).to_bytes(4, "big") + value)
