"""What Redis holds of a review, decoded. None of it is trusted: what the mirror did not write is a CorruptError."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from mirror.domain.changes import Change
from mirror.domain.record import UNDECODABLE, CorruptError, Record
from mirror.storage.errors import CommandRefusedError
from mirror.storage.frames import NewerFrameError, decompress

_RECORD = msgspec.json.Decoder(Record)
_CHANGE = msgspec.json.Decoder(Change)


class NewerFormatError(CorruptError):
    """What is stored of a review was written by a newer release, in a form that this one cannot read."""


@contextmanager
def reading(review_id: int) -> Iterator[None]:
    """Make a CorruptError of whatever tells that a review's keys hold what the mirror has not written."""
    try:
        yield
    except UNDECODABLE as error:
        raise _corrupt(review_id, error) from None
    except CommandRefusedError as error:
        if "WRONGTYPE" in str(error):
            raise CorruptError(review_id, "a key of it holds a value of another type") from None
        raise


def decode_record(review_id: int, data: bytes) -> Record:
    """Read the stored record of a review. Raises CorruptError."""
    try:
        record = _RECORD.decode(decompress(data))
    except UNDECODABLE as error:
        raise _corrupt(review_id, error) from None
    if record.id != review_id or record.review.get("id") != review_id:
        raise CorruptError(review_id, "its record is about another review")
    # The first release wrote what schema 1 is, and did not say so.
    return record if record.schema else msgspec.structs.replace(record, schema=1)


def decode_changes(review_id: int, entries: Sequence[bytes]) -> list[Change]:
    """Read entries of a review's history. Raises CorruptError."""
    with reading(review_id):
        return [_CHANGE.decode(decompress(entry)) for entry in entries]


def _corrupt(review_id: int, error: Exception) -> CorruptError:
    if isinstance(error, NewerFrameError):
        return NewerFormatError(review_id, str(error))
    # Of msgspec's messages one quotes a value.
    problem = re.sub("^Invalid enum value .* - at ", "Invalid enum value - at ", str(error))
    return CorruptError(review_id, f"{type(error).__name__}, {problem[:200]}")
