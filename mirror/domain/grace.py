"""The end of a grace period: a missing review is gone once its absence has outlasted DELETION_GRACE. Performs no I/O.

A worker that finds an absence to be over its grace puts a check of it into the review's inbox, behind whatever waits
there. What the check means is decided when its turn comes: the review may have come back meanwhile, and vanished again.

    record                                   check                        decision
    ---------------------------------------  ---------------------------  -----------------------------
    live, or none                            any                          stale
    missing/gone since another moment        any                          stale: of an earlier absence
    missing since the moment of the check    grace over at its receipt    gone
    missing since the moment of the check    grace not over               stale, looked at again later
    gone since the moment of the check       any                          unchanged
"""

import msgspec

from mirror.domain.changes import Change, Kind, Source
from mirror.domain.decisions import Decision, Outcome, marks
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.lifecycle import TRANSITIONS, Status, Trigger
from mirror.domain.record import UNDECODABLE, Delivery, Record, Windows
from mirror.domain.wire import UndecodableError


class Check(msgspec.Struct, frozen=True):
    """Asks whether an absence is over its grace. Milliseconds since 1970 UTC.

    `missing_since` names the absence; `counts_from` is when its grace began: then, or later if an incident held it.
    """

    missing_since: int
    counts_from: int


_CHECK = msgspec.json.Decoder(Check)


def make_check(check: Check, received_at: int, noise: int) -> Entry:
    return Entry(make_delivery_id(received_at, noise), received_at, Source.GRACE, msgspec.json.encode(check))


def end_grace(record: Record | None, entry: Entry, windows: Windows) -> Decision:
    """Decide what a check means for a review. Raises UndecodableError if the entry's body is not a check."""
    try:
        check = _CHECK.decode(entry.body)
    except UNDECODABLE as error:
        raise UndecodableError("not_a_check", f"the body is not a check of an absence: {error}") from None
    if record is None:
        raise UndecodableError("no_absence", "there is no record of the review whose absence is to be checked")
    delivery = Delivery(entry.delivery_id, entry.received_at, record.review, entry.source)
    reason = _reason_against(record, check, entry.received_at, windows)
    if reason is not None:
        return Decision(Outcome.STALE, delivery, record, reason=reason)
    if record.status is Status.GONE:
        return Decision(Outcome.UNCHANGED, delivery, record)
    return _gone(record, delivery)


def _reason_against(record: Record, check: Check, received_at: int, windows: Windows) -> str | None:
    if record.status is Status.LIVE:
        return "the review is back"
    if record.missing_since != check.missing_since:
        return "the absence it is about is over, another one goes on"
    if received_at - max(check.missing_since, check.counts_from) < windows.grace:
        return "the grace period is not over"
    return None


def _gone(record: Record, delivery: Delivery) -> Decision:
    at = max(delivery.received_at, record.last_received_at)
    change = Change(
        version=record.version + 1,
        kind=Kind.GONE,
        received_at=at,
        delivery_id=delivery.delivery_id,
        source=delivery.source,
        # What was in doubt about the absence stays in doubt.
        **marks(record.certainty),
        missing_for=at - (record.missing_since or at),
    )
    after = msgspec.structs.replace(
        record,
        version=change.version,
        status=TRANSITIONS[record.status, Trigger.GRACE_OVER],
        last_changed_at=at,
        last_received_at=at,
        # Nothing was delivered: the last first attempt stays what it was.
        last_first_attempt_at=record.last_first_attempt_at or record.last_changed_at,
    )
    return Decision(change.kind, delivery, after, change, certainty=record.certainty)
