"""The decision table: what one delivery means for one review. Pure: performs no I/O, and time is an argument.

    record        delivery                                          decision
    ------------  ------------------------------------------------  -----------------------------------------------
    none          live / deleted                                    first_seen: live / missing
    any           same as the record's current payload              unchanged
    live          live, clock older                                 stale
    live          live, clock equal or newer, differs               updated
    live          deleted, delete_date that an absence already had  stale: a late copy of an old deletion
    live          deleted otherwise                                 vanished (ambiguous: delete_date before the clock,
                                                                    or a deletion without one that was left just now)
    missing/gone  live, clock older than the last live snapshot's   stale
    missing/gone  live otherwise, also when identical to it         reappeared
    missing/gone  deleted, differs, delete_date older               stale
    missing/gone  deleted, differs, delete_date not older           updated, still missing

"Same" compares the review object over all its fields. The order in which Redis accepted the deliveries decides; a
decision that this order alone cannot vouch for is applied and marked ambiguous.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from mirror.domain.changes import Change, Difference, Kind, difference
from mirror.domain.lifecycle import FIRST_STATUS, TRANSITIONS, Status, Trigger
from mirror.domain.record import SCHEMA_VERSION, Delivery, Record, Windows
from mirror.domain.review import canonical, clock, delete_clock, is_deleted, is_older

# Bounds on what a record remembers, so that a flapping review cannot grow it without end.
MAX_DELETE_DATES = 32
MAX_LEFT = 16
MAX_DELETE_DATE_CHARS = 64


class Decision(msgspec.Struct, frozen=True):
    """The record after a delivery, the change for the history where there is one, and the reason where there is none.

    `outcome` is a Kind's value, `unchanged` or `stale`.
    """

    outcome: str
    delivery: Delivery
    record: Record
    change: Change | None = None
    reason: str | None = None


def reduce(record: Record | None, delivery: Delivery, windows: Windows) -> Decision:
    """Decide what a delivery means for a review. Never raises for a review object that `wire.decode` let through."""
    if record is None:
        return _first_seen(delivery)
    # Web processes have clocks of their own: a history must not run backwards because one of them lags.
    case = _Case(record, delivery, max(delivery.received_at, record.last_received_at))
    delta = difference(record.review, delivery.review)
    if not delta.fields:
        return _unchanged(case)
    deleted = is_deleted(delivery.review)
    if record.status is Status.LIVE:
        return _vanish(case, delta, windows) if deleted else _update_live(case, delta, windows)
    return _update_missing(case, delta) if deleted else _reappear(case, windows)


def fold(record: Record | None, deliveries: Iterable[Delivery], windows: Windows) -> list[Decision]:
    """Decide on deliveries one after the other, each on the record that the one before it left."""
    decisions = []
    for delivery in deliveries:
        decision = reduce(record, delivery, windows)
        record = decision.record
        decisions.append(decision)
    return decisions


class _Case(msgspec.Struct, frozen=True):
    """A known review, a delivery about it, and the moment, never before the review's last, that counts for it."""

    record: Record
    delivery: Delivery
    at: int


def _first_seen(delivery: Delivery) -> Decision:
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
        delete_dates=_with_delete_date((), delivery.review),
    )
    change = Change(1, Kind.FIRST_SEEN, at, delivery.delivery_id, delivery.source)
    return Decision(change.kind, delivery, record, change)


def _unchanged(case: _Case) -> Decision:
    live_received_at = case.at if case.record.status is Status.LIVE else case.record.live_received_at
    seen = msgspec.structs.replace(case.record, last_received_at=case.at, live_received_at=live_received_at)
    return Decision("unchanged", case.delivery, seen)


def _stale(case: _Case, reason: str) -> Decision:
    seen = msgspec.structs.replace(case.record, last_received_at=case.at)
    return Decision("stale", case.delivery, seen, reason=reason)


def _update_live(case: _Case, delta: Difference, windows: Windows) -> Decision:
    mirrored, shown = case.record.review, case.delivery.review
    if is_older(clock(shown), clock(mirrored)):
        return _stale(case, "its clock is older than the mirrored one")
    return _changed(
        case,
        Kind.UPDATED,
        delta,
        ambiguous=_is_a_state_left(case, windows),
        review=shown,
        live_received_at=case.at,
        left=_left_after(case.record, mirrored, shown),
    )


def _vanish(case: _Case, delta: Difference, windows: Windows) -> Decision:
    record, deletion = case.record, case.delivery.review
    if _delete_date(deletion) in record.delete_dates:
        return _stale(case, "an earlier absence already had its delete_date")
    return _changed(
        case,
        Kind.VANISHED,
        delta,
        ambiguous=is_older(delete_clock(deletion), clock(record.review)) or _is_a_state_left(case, windows),
        status=TRANSITIONS[record.status, Trigger.DELETED],
        review=deletion,
        last_live=record.review,
        missing_since=case.at,
        delete_dates=_with_delete_date(record.delete_dates, deletion),
    )


def _update_missing(case: _Case, delta: Difference) -> Decision:
    record, deletion = case.record, case.delivery.review
    if is_older(delete_clock(deletion), delete_clock(record.review)):
        return _stale(case, "its delete_date is older than the mirrored one")
    return _changed(
        case,
        Kind.UPDATED,
        delta,
        # Still missing: what was in doubt about the absence stays in doubt.
        ambiguous=record.ambiguous,
        status=TRANSITIONS[record.status, Trigger.DELETED],
        review=deletion,
        delete_dates=_with_delete_date(record.delete_dates, deletion),
    )


def _reappear(case: _Case, windows: Windows) -> Decision:
    record, shown = case.record, case.delivery.review
    last_live = record.last_live
    if last_live is not None and is_older(clock(shown), clock(last_live)):
        return _stale(case, "its clock is older than the last live snapshot's")
    delta = difference(record.review if last_live is None else last_live, shown)
    ambiguous, left = False, record.left
    if last_live is not None and delta.fields:
        ambiguous, left = _is_a_state_left(case, windows), _left_after(record, last_live, shown)
    elif last_live is not None:
        ambiguous = case.at - record.live_received_at < windows.redelivery
    left = _remember(left, record.review)
    return _changed(
        case,
        Kind.REAPPEARED,
        delta,
        ambiguous=ambiguous,
        missing_for=case.at - (record.missing_since or case.at),
        status=TRANSITIONS[record.status, Trigger.SHOWN],
        review=shown,
        last_live=None,
        missing_since=None,
        reappearances=record.reappearances + 1,
        live_received_at=case.at,
        left=left,
    )


def _changed(
    case: _Case,
    kind: Kind,
    delta: Difference,
    *,
    ambiguous: bool,
    missing_for: int | None = None,
    **updates: Any,
) -> Decision:
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
        ambiguous=ambiguous,
        **updates,
    )
    return Decision(kind, case.delivery, after, change)


def _is_a_state_left(case: _Case, windows: Windows) -> bool:
    """Tell whether the delivery repeats a state already left, so soon that it may be a late copy of it.

    A newer clock clears `left`, so a state found there has the clock of the live snapshot.
    """
    left = case.record.left
    soon = case.at - case.record.live_received_at <= windows.reorder
    return soon and bool(left) and _fingerprint(case.delivery.review) in left


def _left_after(record: Record, before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    """Return the states left, once `before` gives way to `after`; a newer clock makes all of them stale anyway."""
    return () if is_older(clock(before), clock(after)) else _remember(record.left, before)


def _remember(left: tuple[str, ...], state: dict[str, Any]) -> tuple[str, ...]:
    fingerprint = _fingerprint(state)
    return (*(known for known in left if known != fingerprint), fingerprint)[-MAX_LEFT:]


def _fingerprint(review: dict[str, Any]) -> str:
    return hashlib.blake2b(canonical(review), digest_size=8).hexdigest()


def _delete_date(review: dict[str, Any]) -> str | None:
    value = review.get("delete_date")
    if value is None:
        return None
    text = canonical(value).decode()
    return text if len(text) <= MAX_DELETE_DATE_CHARS else hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _with_delete_date(known: tuple[str, ...], review: dict[str, Any]) -> tuple[str, ...]:
    date = _delete_date(review)
    if date is None or date in known or not is_deleted(review):
        return known
    return (*known, date)[-MAX_DELETE_DATES:]
