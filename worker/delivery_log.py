"""Logs the outcome of each delivery."""

from typing import Any

import structlog

from mirror.domain.changes import Certainty, Change, Kind
from mirror.domain.decisions import Decision, Outcome
from mirror.domain.personal import loggable, public_fields
from mirror.domain.settling import Settled

log = structlog.get_logger()


def log_outcomes(review_id: int, settled: Settled, now: int, *, with_text: bool) -> None:
    """Log one line for each delivery of a review that was committed at `now` (milliseconds since 1970 UTC)."""
    for decision in settled.decisions:
        facts = _facts(decision, now)
        if decision.change is not None:
            facts |= _change_facts(decision.change, decision, with_text=with_text)
        log.info(f"review.{decision.outcome}", review_id=review_id, **facts)
    for letter in settled.dead_letters:
        log.error(
            "delivery.dead_letter",
            review_id=review_id,
            delivery_id=letter.delivery_id,
            code=letter.code,
            reason=letter.message,
        )


def _facts(decision: Decision, now: int) -> dict[str, Any]:
    delivery = decision.delivery
    facts: dict[str, Any] = {
        "delivery_id": delivery.delivery_id,
        "source": delivery.source,
        # A tombstone has a status, as any record has, but it means nothing.
        **({} if decision.record.forgotten_at is not None else {"status": decision.record.status}),
        "waited_ms": max(0, now - delivery.received_at),
    }
    if decision.certainty is not Certainty.PROVEN:
        facts["certainty"] = decision.certainty
    if decision.reason is not None:
        facts["reason"] = decision.reason
    if decision.outcome is Outcome.STALE:
        facts |= _clocks(decision)
    return facts


def _clocks(decision: Decision) -> dict[str, Any]:
    """Tell Partoo's clocks of what was refused and of the live snapshot, whatever the reason: they help to judge it."""
    clocks = {"update_date": decision.delivery.review, "mirrored_update_date": decision.record.live_snapshot or {}}
    shown = {name: public_fields(review).get("update_date") for name, review in clocks.items()}
    return {name: value for name, value in shown.items() if value is not None}


def _change_facts(change: Change, decision: Decision, *, with_text: bool) -> dict[str, Any]:
    if change.kind is Kind.FIRST_SEEN:
        old: dict[str, Any] = {}
        new = public_fields(decision.delivery.review)
    else:
        old, new = loggable(change.fields, with_text=with_text)
    facts: dict[str, Any] = {"version": change.version, "changed": sorted(change.fields), "old": old, "new": new}
    if change.ambiguous:
        facts["ambiguous"] = True
    if change.repaired:
        facts["repaired"] = list(change.repaired)
    if change.missing_for is not None:
        facts["missing_for_s"] = change.missing_for / 1000
    return facts
