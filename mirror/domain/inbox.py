"""What waits for a review, and what becomes of it. Performs no I/O.

An inbox entry is a header, a line end, and the raw body as it was received. The header is a JSON array that begins with
the delivery id, which begins with the time of receipt: the Lua scripts read both at their fixed places.
"""

from collections.abc import Sequence

import msgspec

from mirror.domain.changes import Change, Source
from mirror.domain.dead_letters import DeadLetter
from mirror.domain.record import Delivery, Record, Windows
from mirror.domain.reducer import Decision, fold
from mirror.domain.wire import UndecodableError, decode_review


class Entry(msgspec.Struct, frozen=True):
    """One accepted delivery as it waits. `received_at` is in milliseconds since 1970 UTC; `body` is raw."""

    delivery_id: str
    received_at: int
    source: Source
    body: bytes


class _Header(msgspec.Struct, frozen=True, array_like=True):
    delivery_id: str
    received_at: int
    source: Source


class Settled(msgspec.Struct, frozen=True):
    """What became of the entries of one review, in their order.

    `record` is the one after them, None if there was none and still is none. Every entry is either in `decisions` or
    in `dead_letters`.
    """

    before: Record | None
    record: Record | None
    decisions: list[Decision]
    dead_letters: list[DeadLetter]

    @property
    def changes(self) -> list[Change]:
        return [decision.change for decision in self.decisions if decision.change is not None]


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


def settle(record: Record | None, entries: Sequence[Entry], windows: Windows) -> Settled:
    """Apply entries to a record, in order. What this release cannot read becomes a dead letter and holds up nobody."""
    deliveries: list[Delivery] = []
    dead_letters: list[DeadLetter] = []
    for entry in entries:
        try:
            review = decode_review(entry.body).review
        except UndecodableError as error:
            dead_letters.append(DeadLetter(entry.delivery_id, entry.received_at, error.code, str(error), entry.body))
            continue
        deliveries.append(Delivery(entry.delivery_id, entry.received_at, review, entry.source))
    decisions = fold(record, deliveries, windows)
    return Settled(record, decisions[-1].record if decisions else record, decisions, dead_letters)
