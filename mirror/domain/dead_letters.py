"""Accepted deliveries that could not be applied. Performs no I/O.

They are acknowledged and kept, to be retried once the code can read them, or once what stood in their way is mended.
"""

import msgspec

from mirror.domain.changes import Source
from mirror.domain.inbox import Entry, received_at

# The code of a delivery whose review has a record that cannot be read.
CORRUPT_RECORD = "corrupt_record"
# The code of what stands among the dead letters and is none that this release can read: a later one may have kept it.
UNREADABLE_LETTER = "unreadable_letter"


class DeadLetter(msgspec.Struct, frozen=True):
    """`received_at` is in milliseconds since 1970 UTC; `code` and `message` say why; `body` is raw (base64 in JSON).

    `review_id` is None where nobody could tell which review it is about.
    """

    delivery_id: str
    received_at: int
    code: str
    message: str
    body: bytes
    source: Source = Source.WEBHOOK
    review_id: int | None = None

    @property
    def entry(self) -> Entry:
        """The delivery as it waits in an inbox: with its own id and time, so that its history says when it came."""
        return Entry(self.delivery_id, self.received_at, self.source, self.body)


def dead_letter(entry: Entry, code: str, message: str, review_id: int | None = None) -> DeadLetter:
    return DeadLetter(entry.delivery_id, entry.received_at, code, message, entry.body, entry.source, review_id)


def unreadable(delivery_id: str, data: bytes, problem: str) -> DeadLetter:
    """Show what cannot be read as a dead letter whose body is all that there is, so that it can be seen and dropped."""
    message = f"this dead letter cannot be read, perhaps because a later release kept it: {problem}"
    return DeadLetter(delivery_id, received_at(delivery_id), UNREADABLE_LETTER, message, data)
