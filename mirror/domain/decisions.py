"""What a decision is made of, whoever decides: the reducer on a delivery, or a rule on a reading. Performs no I/O."""

import hashlib
from enum import Enum, StrEnum
from typing import Any

import msgspec

from mirror.domain import previous_states
from mirror.domain.changes import Certainty, Change, Difference, Kind, weaker
from mirror.domain.clocks import Order, Payload, deleted_at, instant, order
from mirror.domain.lifecycle import FIRST_STATUS, Status, Trigger
from mirror.domain.record import SCHEMA_VERSION, Delivery, Record
from mirror.domain.review import canonical, is_deleted

# Bounds on what a record remembers, so that a flapping review cannot grow it without end.
MAX_DELETE_DATES = 32
MAX_DELETE_DATE_CHARS = 64


class Outcome(StrEnum):
    """What becomes of a delivery that makes no change in the history; one that does has the change's kind."""

    UNCHANGED = "unchanged"  # it says what is mirrored already
    STALE = "stale"  # it says what was mirrored before
    FORGOTTEN = "forgotten"  # the review was erased on demand


class Asking(Enum):
    """What a decision means for a question to Partoo about the review."""

    KEEP = "keep"  # an open question stays open
    CLOSE = "close"  # the review needs no question
    ASK = "ask"


class Question(msgspec.Struct, frozen=True):
    """Whether Partoo is to be asked, and, in milliseconds since 1970 UTC, not before which moment.

    `again_at`: when it is worth a second look, as the search that answered may lag; 0: never.
    """

    asking: Asking
    not_before: int = 0
    again_at: int = 0


KEEP, CLOSE, ASK = Question(Asking.KEEP), Question(Asking.CLOSE), Question(Asking.ASK)


class Decision(msgspec.Struct, frozen=True):
    """The record after a delivery, the change for the history where there is one, and the reason where there is none.

    `certainty` is that of this decision; the record carries that of the review as it is now.
    """

    outcome: Kind | Outcome
    delivery: Delivery
    record: Record
    change: Change | None = None
    reason: str | None = None
    certainty: Certainty = Certainty.PROVEN
    question: Question = KEEP


class Case(msgspec.Struct, frozen=True):
    """A known review, a delivery about it, and the moment, never before the review's last, that counts for it.

    `delivered_at` is when the last delivery from Partoo was accepted, this one included.
    """

    record: Record
    delivery: Delivery
    at: int
    delivered_at: int

    @property
    def shown(self) -> Payload:
        return Payload(self.delivery.review, self.at)


def case_of(record: Record, delivery: Delivery) -> Case:
    # A failover may bring a clock that lags: a history must not run backwards because of it.
    at = max(delivery.received_at, record.last_received_at)
    return Case(record, delivery, at, at)


def first_seen(delivery: Delivery, **updates: Any) -> Decision:
    """Decide on the first sight of a review; `updates` are fields of the record that it sets beside the usual ones."""
    status = FIRST_STATUS[Trigger.DELETED if is_deleted(delivery.review) else Trigger.SHOWN]
    at = delivery.received_at
    facts: dict[str, Any] = {
        "schema": SCHEMA_VERSION,
        "id": delivery.review["id"],
        "status": status,
        "version": 1,
        "review": delivery.review,
        "first_seen_at": at,
        "last_changed_at": at,
        "last_received_at": at,
        "missing_since": at if status is Status.MISSING else None,
        "since": at,
        "live_since": at if status is Status.LIVE else 0,
        "live_received_at": at if status is Status.LIVE else 0,
        "delivered_at": at,
        "last_first_attempt_at": delivery.first_attempt_at or 0,
        "delete_dates": with_delete_date((), delivery.review),
    }
    change = Change(1, Kind.FIRST_SEEN, at, delivery.delivery_id, delivery.source, repaired=delivery.repaired)
    return Decision(change.kind, delivery, Record(**facts | updates), change, question=CLOSE)


def unchanged(case: Case, **updates: Any) -> Decision:
    live_received_at = case.at if case.record.status is Status.LIVE else case.record.live_received_at
    seen = msgspec.structs.replace(
        case.record,
        last_received_at=case.at,
        live_received_at=live_received_at,
        delivered_at=case.delivered_at,
        **updates,
    )
    return Decision(Outcome.UNCHANGED, case.delivery, seen)


def stale(case: Case, reason: str, certainty: Certainty = Certainty.PROVEN) -> Decision:
    """Keep a delivery out.

    Where that may be wrong, the review is no longer proven to be as it is mirrored, and remembers what was kept out:
    later news must be newer than that too.
    """
    doubted = {} if certainty is Certainty.PROVEN else previous_states.added(case.record, case.shown, case.at, case.at)
    seen = msgspec.structs.replace(
        case.record,
        last_received_at=case.at,
        delivered_at=case.delivered_at,
        **marks(weaker(case.record.certainty, certainty)),
        **doubted,
    )
    question = KEEP if certainty is Certainty.PROVEN else ASK
    return Decision(Outcome.STALE, case.delivery, seen, reason=reason, certainty=certainty, question=question)


def changed(
    case: Case,
    kind: Kind,
    delta: Difference,
    certainty: Certainty,
    *,
    missing_for: int | None = None,
    **updates: Any,
) -> Decision:
    """Decide on a change; `updates` are the record's fields that it sets."""
    change = Change(
        version=case.record.version + 1,
        kind=kind,
        received_at=case.at,
        delivery_id=case.delivery.delivery_id,
        source=case.delivery.source,
        fields=delta.fields,
        added=delta.added,
        removed=delta.removed,
        missing_for=missing_for,
        repaired=case.delivery.repaired,
        **marks(certainty),
    )
    after = msgspec.structs.replace(
        case.record,
        version=change.version,
        last_changed_at=case.at,
        last_received_at=case.at,
        delivered_at=case.delivered_at,
        denied_at=0,
        last_first_attempt_at=case.delivery.first_attempt_at or 0,
        **marks(certainty),
        **updates,
    )
    question = CLOSE if certainty is Certainty.PROVEN else ASK
    return Decision(kind, case.delivery, after, change, certainty=certainty, question=question)


def marks(certainty: Certainty) -> dict[str, Any]:
    """Give the fields by which a record or a change tells its certainty."""
    return {"ambiguous": certainty is Certainty.AMBIGUOUS, "unproven": certainty is Certainty.UNPROVEN}


def had_delete_date(record: Record, payload: Payload) -> bool:
    """Tell whether an earlier absence already had the `delete_date` of a deletion, in whatever notation."""
    moment = deleted_at(payload)
    if moment is None:
        return False
    earlier = (instant(msgspec.json.decode(text)) for text in record.delete_dates if text.startswith('"'))
    return any(order(one, moment) is Order.SAME for one in earlier)


def with_delete_date(known: tuple[str, ...], review: dict[str, Any]) -> tuple[str, ...]:
    date = _delete_date(review)
    if date is None or date in known or not is_deleted(review):
        return known
    return (*known, date)[-MAX_DELETE_DATES:]


def _delete_date(review: dict[str, Any]) -> str | None:
    """Return what a record remembers of a deletion's `delete_date`, whatever its shape; None where it has none."""
    value = review.get("delete_date")
    if value is None:
        return None
    text = canonical(value).decode()
    return text if len(text) <= MAX_DELETE_DATE_CHARS else hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
