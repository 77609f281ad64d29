"""Many values in one argument of a Lua script: the client's cost of a command grows with its arguments. No I/O."""

from collections.abc import Mapping, Sequence

import msgspec

_ENCODER = msgspec.msgpack.Encoder()
# msgpack's longest kind of text. Bytes go as text: Redis's cmsgpack knows no other, and Lua does not tell them apart.
_TEXT = b"\xdb"


def pack(values: Sequence[str | bytes]) -> bytes:
    """Write values as the msgpack array that `cmsgpack.unpack` reads; each arrives as a string of the same bytes."""
    return _ENCODER.encode([as_text(value) if isinstance(value, bytes) else value for value in values])


def pack_rows(fields: Mapping[str, Sequence[str]], rows: Sequence[msgspec.Struct]) -> bytes:
    """Write rows, array-like structs whose values are texts or rows, after the names of their fields by kind.

    So a script reads them by name, while no name is sent more than once.
    """
    return _ENCODER.encode((fields, rows))


def pack_map(values: Mapping[str, object]) -> bytes:
    """Write values by name, for what is sent once."""
    return _ENCODER.encode(values)


def as_text(value: bytes) -> msgspec.Raw:
    """Have bytes packed as text."""
    return msgspec.Raw(_TEXT + len(value).to_bytes(4, "big") + value)
