"""Erasing a review on somebody's demand: what stays is a tombstone, which later deliveries do not undo. No I/O.

The demand goes through the review's inbox like any news, so it has its place in the order: what waits before it is
erased with the rest, what is accepted after it stays out.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from mirror.domain.authors import Author
from mirror.domain.changes import Change, Source
from mirror.domain.dead_letters import DeadLetter
from mirror.domain.decisions import Decision, Outcome
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.lifecycle import Status
from mirror.domain.record import SCHEMA_VERSION, UNDECODABLE, Delivery, Record, Windows
from mirror.domain.wire import MAX_REVIEW_ID, OtherEvent, UndecodableError, decode

FORGOTTEN = "forgotten"
# The id of the review itself: no object or list begins before it, such as a tag with an id of its own.
_REVIEW_ID = re.compile(rb'"review"\s*:\s*\{[^{}\[\]]*?"id"\s*:\s*"?([0-9]{1,19})"?\s*(?:[,}]|$)')


class Demand(msgspec.Struct, frozen=True):
    """The body of a demand to forget a review."""

    review_id: int


_DEMAND = msgspec.json.Decoder(Demand)


def make_demand(review_id: int, received_at: int, noise: int) -> Entry:
    body = msgspec.json.encode(Demand(review_id))
    return Entry(make_delivery_id(received_at, noise), received_at, Source.FORGET, body)


def tombstone_after(record: Record | None, entries: Sequence[Entry]) -> Record | None:
    """Return the tombstone that a review has once these entries are applied, None if it is not forgotten.

    Raises UndecodableError if a demand among the entries cannot be read.
    """
    if record is not None and record.forgotten_at is not None:
        return record
    for entry in entries:
        if entry.source is Source.FORGET:
            return _tombstone(record, entry)
    return None


def _tombstone(record: Record | None, entry: Entry) -> Record:
    at = entry.received_at
    try:
        review_id = _DEMAND.decode(entry.body).review_id
    except UNDECODABLE as error:
        raise UndecodableError("not_a_demand", f"the body is not a demand to forget a review: {error}") from None
    return Record(
        schema=SCHEMA_VERSION,
        id=review_id,
        status=Status.GONE,
        version=1 if record is None else record.version + 1,
        review={"id": review_id},
        first_seen_at=at,
        last_changed_at=at,
        last_received_at=at,
        forgotten_at=at,
    )


def refuse_demand(_record: Record | None, entry: Entry, _windows: Windows) -> Decision:
    """Make a dead letter of a demand that cannot be read: one that can never comes to be decided on by itself."""
    raise UndecodableError("not_a_demand", f"{len(entry.body)} bytes are not a demand to forget a review")


def keep_out(tombstone: Record, entry: Entry) -> Decision:
    """Decide on a delivery about a forgotten review: nothing of what it holds goes any further."""
    return Decision(Outcome.FORGOTTEN, Delivery(entry.delivery_id, entry.received_at, {}, entry.source), tombstone)


def told_review_id(body: bytes) -> int | None:
    """Tell which review a body is about that cannot be decoded; None where it does not say so plainly."""
    match = _REVIEW_ID.search(body)
    return int(match[1]) if match is not None and int(match[1]) <= MAX_REVIEW_ID else None


# Finding what is to be erased


def letter_concerns(letter: DeadLetter, ids: frozenset[int], author: Author | None) -> bool:
    """Tell whether a dead letter is about one of these reviews or by this author.

    One that cannot be decoded is taken to be so if its raw body holds the name, or, where nobody could tell which
    review it is about, the id as a number of its own.
    """
    if letter.review_id in ids:
        return True
    try:
        event = decode(letter.body)
    except UndecodableError as error:
        about = letter.review_id if error.review_id is None else error.review_id
        mentioned = about in ids if about is not None else any(holds_id(letter.body, one) for one in ids)
        return mentioned or (author is not None and author.stands_in(letter.body))
    if isinstance(event, OtherEvent):
        return author is not None and author.stands_in(letter.body)
    return event.review_id in ids or (author is not None and author.is_named(event.review.get("author_name")))


def names_in_entry(entry: Entry) -> list[Any]:
    """Give the author's name that a delivery shows. Raises UndecodableError if it cannot be read."""
    event = decode(entry.body)
    return [] if isinstance(event, OtherEvent) else [event.review.get("author_name")]


def names_in_record(record: Record) -> list[Any]:
    """Give the author's names that a record shows."""
    return [review.get("author_name") for review in (record.review, record.last_live or {}, record.extra)]


def names_in_change(change: Change) -> list[Any]:
    """Give the author's names that a change shows, of before and after."""
    return list(change.fields.get("author_name", ()))


def holds_id(data: bytes, review_id: int) -> bool:
    """Tell whether raw bytes hold an id as a number of its own, not as a part of a longer one."""
    return re.search(rb"(?<![0-9])%d(?![0-9])" % review_id, data) is not None
