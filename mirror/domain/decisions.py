"""What a decision is made of, whoever decides: the reducer on a delivery, or a rule on a reading. Performs no I/O."""

import hashlib
from enum import IntEnum
from typing import Any

import msgspec

from mirror.domain.changes import Change, Difference, Kind
from mirror.domain.lifecycle import FIRST_STATUS, Status, Trigger
from mirror.domain.record import SCHEMA_VERSION, Delivery, Record
from mirror.domain.review import canonical, is_deleted

# Bounds on what a record remembers, so that a flapping review cannot grow it without end.
MAX_DELETE_DATES = 32
MAX_LEFT = 16
MAX_DELETE_DATE_CHARS = 64


class Doubt(IntEnum):
    """How sure it is that a delivery was judged rightly. All but NONE is worth asking Partoo about."""

    NONE = 0
    UNPROVEN = 1  # neither its payload nor the time that has passed shows whether it is news
    AMBIGUOUS = 2  # and much speaks for a late copy: record and change say so


class Decision(msgspec.Struct, frozen=True):
    """The record after a delivery, the change for the history where there is one, and the reason where there is none.

    `outcome` is a Kind's value, `unchanged`, `stale` or `forgotten`.
    """

    outcome: str
    delivery: Delivery
    record: Record
    change: Change | None = None
    reason: str | None = None
    doubt: Doubt = Doubt.NONE


class Case(msgspec.Struct, frozen=True):
    """A known review, a delivery about it, and the moment, never before the review's last, that counts for it."""

    record: Record
    delivery: Delivery
    at: int


def case_of(record: Record, delivery: Delivery) -> Case:
    # Web processes have clocks of their own: a history must not run backwards because one of them lags.
    return Case(record, delivery, max(delivery.received_at, record.last_received_at))


def first_seen(delivery: Delivery) -> Decision:
    status = FIRST_STATUS[Trigger.DELETED if is_deleted(delivery.review) else Trigger.SHOWN]
    at = delivery.received_at
    record = Record(
        schema=SCHEMA_VERSION,
        id=delivery.review["id"],
        status=status,
        version=1,
        review=delivery.review,
        first_seen_at=at,
        last_changed_at=at,
        last_received_at=at,
        missing_since=at if status is Status.MISSING else None,
        live_received_at=at if status is Status.LIVE else 0,
        last_offered_at=delivery.offered_at or 0,
        delete_dates=with_delete_date((), delivery.review),
    )
    change = Change(1, Kind.FIRST_SEEN, at, delivery.delivery_id, delivery.source)
    return Decision(change.kind, delivery, record, change)


def unchanged(case: Case) -> Decision:
    live_received_at = case.at if case.record.status is Status.LIVE else case.record.live_received_at
    seen = msgspec.structs.replace(case.record, last_received_at=case.at, live_received_at=live_received_at)
    return Decision("unchanged", case.delivery, seen)


def stale(case: Case, reason: str, doubt: Doubt = Doubt.NONE) -> Decision:
    seen = msgspec.structs.replace(case.record, last_received_at=case.at)
    return Decision("stale", case.delivery, seen, reason=reason, doubt=doubt)


def changed(
    case: Case,
    kind: Kind,
    delta: Difference,
    doubt: Doubt,
    *,
    missing_for: int | None = None,
    **updates: Any,
) -> Decision:
    """Decide on a change; `updates` are the record's fields that it sets."""
    ambiguous = doubt is Doubt.AMBIGUOUS
    change = Change(
        version=case.record.version + 1,
        kind=kind,
        received_at=case.at,
        delivery_id=case.delivery.delivery_id,
        source=case.delivery.source,
        fields=delta.fields,
        added=delta.added,
        removed=delta.removed,
        ambiguous=ambiguous,
        missing_for=missing_for,
    )
    after = msgspec.structs.replace(
        case.record,
        version=change.version,
        last_changed_at=case.at,
        last_received_at=case.at,
        last_offered_at=case.delivery.offered_at or 0,
        ambiguous=ambiguous,
        **updates,
    )
    return Decision(kind, case.delivery, after, change, doubt=doubt)


def remember(left: tuple[str, ...], state: dict[str, Any]) -> tuple[str, ...]:
    """Add a state to those left, the newest last."""
    mark = fingerprint(state)
    return (*(known for known in left if known != mark), mark)[-MAX_LEFT:]


def fingerprint(review: dict[str, Any]) -> str:
    return hashlib.blake2b(canonical(review), digest_size=8).hexdigest()


def delete_date(review: dict[str, Any]) -> str | None:
    """Return what a record remembers of a deletion's `delete_date`, whatever its shape; None where it has none."""
    value = review.get("delete_date")
    if value is None:
        return None
    text = canonical(value).decode()
    return text if len(text) <= MAX_DELETE_DATE_CHARS else hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def with_delete_date(known: tuple[str, ...], review: dict[str, Any]) -> tuple[str, ...]:
    date = delete_date(review)
    if date is None or date in known or not is_deleted(review):
        return known
    return (*known, date)[-MAX_DELETE_DATES:]
