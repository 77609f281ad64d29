"""Signed deliveries that could not be read as an event. Performs no I/O.

They are acknowledged and kept, to be retried once the code can read them.
"""

import msgspec


class DeadLetter(msgspec.Struct, frozen=True):
    """`received_at` is in milliseconds since 1970 UTC; `code` and `message` say why; `body` is raw (base64 in JSON)."""

    delivery_id: str
    received_at: int
    code: str
    message: str
    body: bytes
