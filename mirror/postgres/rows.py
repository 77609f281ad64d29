"""The rows that a review has in the tables, as JSON. Performs no I/O."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from mirror.clock import iso
from mirror.domain.changes import BEGINNINGS, Change, Kind
from mirror.domain.clocks import instant
from mirror.domain.feed import state_after
from mirror.domain.history import first_payload, records
from mirror.domain.record import Record
from mirror.domain.review import text_field

_ENCODE = msgspec.json.Encoder().encode
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_RATING = 1_000
# The names of fields, and the labels of tags, that have a place of their own beside `payload`.
_MAX_NAMES = 1_000


class Rows(msgspec.Struct, frozen=True):
    """What to write of one review: its row, and the rows of those of its changes that are to be added.

    `first` is the version of the first of these, None where there is none. `anew`: rows from this version on make room
    for them, None where none has to.
    """

    review_id: int
    row: bytes
    changes: Sequence[bytes] = ()
    first: int | None = None
    anew: int | None = None


def rows_added(record: Record, changes: Sequence[Change], known: int) -> Rows | None:
    """Make the rows of a review of which versions up to `known` are written.

    `changes` are the last ones of its history; None where these do not tell enough.
    """
    if not changes or changes[-1].version != record.version:
        return None
    if changes[0].kind in BEGINNINGS:
        states = list(records(first_payload(record, changes), changes))
        added = [(change, state) for change, state in zip(changes, states, strict=True) if change.version > known]
    else:
        added = []
        for place, change in enumerate(changes):
            if change.version > known:
                state = state_after(record, changes[place + 1 :])
                if state is None:
                    return None
                added.append((change, state))
    if len(added) < record.version - known and changes[0].kind is not Kind.TRIMMED:
        return None
    return _rows(record, added, anew=None)


def rows_anew(record: Record, changes: Sequence[Change]) -> Rows:
    """Make all rows of a review from its whole history; what a trimmed history does not tell of any more is kept.

    Raises CorruptError.
    """
    states = records(first_payload(record, changes), changes)
    anew = changes[0].version + 1 if changes[0].kind is Kind.TRIMMED else 0
    return _rows(record, list(zip(changes, states, strict=True)), anew)


def _rows(record: Record, added: Sequence[tuple[Change, Record]], anew: int | None) -> Rows:
    ends = [change.received_at for change, _ in added[1:]]
    return Rows(
        review_id=record.id,
        row=encode(review_row(record)),
        changes=[
            encode(change_row(change, state, end))
            for (change, state), end in zip(added, [*ends, None], strict=bool(added))
        ],
        first=added[0][0].version if added else None,
        anew=anew,
    )


def review_row(record: Record) -> dict[str, Any]:
    review = record.review
    return {
        "id": record.id,
        "status": record.status,
        "certainty": record.certainty,
        "version": record.version,
        **_columns(review),
        "author_name": _text(review, "author_name"),
        "title": _text(review, "title"),
        "content": _text(review, "content"),
        "date": _time(review.get("date")),
        "update_date": _time(review.get("update_date")),
        "delete_date": _time(review.get("delete_date")),
        "missing_since": None if record.missing_since is None else iso(record.missing_since),
        "reappearances": record.reappearances,
        "first_seen_at": iso(record.first_seen_at),
        "last_changed_at": iso(record.last_changed_at),
        "payload": review,
    }


def change_row(change: Change, state: Record, end: int | None) -> dict[str, Any]:
    """Make the row of a change; `state` is the record right after it, `end` when the next one came (ms)."""
    return {
        "review_id": state.id,
        "version": change.version,
        "kind": change.kind,
        "valid_from": iso(change.received_at),
        "valid_to": None if end is None else iso(end),
        "status": state.status,
        "certainty": change.certainty,
        "source": change.source,
        "delivery_id": change.delivery_id,
        **_columns(state.review),
        "changed": list(change.fields)[:_MAX_NAMES],
        "missing_for": None if change.missing_for is None else f"{change.missing_for} milliseconds",
        "payload": state.review,
    }


def _columns(review: dict[str, Any]) -> dict[str, Any]:
    recommended = review.get("recommended")
    return {
        "business_id": text_field(review, "business_id"),
        "partner": text_field(review, "partner"),
        "rating": _rating(review.get("rating")),
        "recommended": recommended if isinstance(recommended, bool) else None,
        "state": _text(review, "state"),
        "replied_at": _replied_at(review.get("comments")),
        "tags": _labels(review.get("tags")),
    }


def _rating(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return round(value, 3) if is_number and abs(value) <= _MAX_RATING else None


def _text(review: dict[str, Any], name: str) -> str | None:
    value = review.get(name)
    return str(value) if isinstance(value, str | int | float) else None


def _time(value: Any) -> str | None:
    found = instant(value)
    return None if found is None else (_EPOCH + timedelta(microseconds=found.at)).isoformat()


def _replied_at(reply: Any) -> str | None:
    """Tell when the business answered; a suggested answer is none."""
    if not isinstance(reply, dict) or reply.get("is_reply_suggestion") is True:
        return None
    return _time(reply.get("date")) or _time(reply.get("created"))


def _labels(tags: Any) -> list[str]:
    found = [tag.get("label") for tag in tags if isinstance(tag, dict)] if isinstance(tags, list) else []
    return [label for label in found if isinstance(label, str)][:_MAX_NAMES]


def encode(row: dict[str, Any]) -> bytes:
    """Write a row as JSON that Postgres takes: it stores no NUL in text."""
    data = _ENCODE(row)
    return _ENCODE(_without_nul(row)) if b"\\u0000" in data else data


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nul(one) for one in value]
    return value
