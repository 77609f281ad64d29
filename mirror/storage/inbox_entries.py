"""Inbox entries as Redis holds them: the header is readable, as the Lua scripts read it; the body is compressed."""

import msgspec

from mirror.domain import inbox
from mirror.domain.inbox import Entry, encode_header
from mirror.storage.frames import compress, decompress, decompress_or_same, plain_size


def encode_entry(entry: Entry) -> bytes:
    return encode_header(entry) + b"\n" + compress(entry.body)


def decode_entry(data: bytes) -> Entry:
    """Read an entry back, with its body as it was received. Raises msgspec.DecodeError."""
    entry = inbox.decode_entry(data)
    body = decompress(entry.body)
    return entry if body is entry.body else msgspec.structs.replace(entry, body=body)


def body_of(data: bytes) -> bytes:
    """Give the body of an entry as it was received; of one that cannot be read, what stands there."""
    return decompress_or_same(data.partition(b"\n")[2])


def plain_entry(data: bytes) -> bytes:
    """Write an entry without compression; one that cannot be read stays as it is."""
    head, end, body = data.partition(b"\n")
    return head + end + decompress_or_same(body)


def plain_entry_size(data: bytes) -> int:
    """Tell how long an entry is without compression, without decompressing it."""
    head, _, body = data.partition(b"\n")
    return len(head) + 1 + plain_size(body)
