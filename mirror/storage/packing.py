"""Many values in one argument of a Lua script: the client's cost of a command grows with its arguments. No I/O."""

from collections.abc import Sequence


def pack(parts: Sequence[bytes]) -> bytes:
    """Put byte strings behind one another, each behind its length in four bytes, as `struct.unpack('>I4c0')` reads."""
    return b"".join([piece for part in parts for piece in (len(part).to_bytes(4, "big"), part)])
