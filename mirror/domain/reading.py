"""A reading: what Partoo's REST API said of a review when it was asked. Performs no I/O.

A reading has what a delivery lacks: it is known for which moment it speaks. But the search that answers may lag behind
the webhooks, and may leave things out. So it is compared by value (`mirror.domain.values`), and
- one that a delivery or a later reading has overtaken changes nothing;
- while the search may lag, one that differs only counts where its clock proves it to be news; else it may show what a
  delivery has just left, and Partoo is asked again later;
- an ambiguous state is put right sooner, though not for certain: once readings have shown the state before it for
  longer than that had lasted. A search that is steadily behind shows it for no longer;
- one that agrees proves what is mirrored, unless it may show an earlier time at which the review was in that state too.

An absence is a reading of another kind: Partoo showed the review nowhere. It says less, so it is applied as a deletion
that is ambiguous, and it says nothing of a review that is new or changed in the last day.
"""

from typing import Any

import msgspec

from mirror.domain import previous_states
from mirror.domain.api_fields import Merged, merge
from mirror.domain.certainty import deleted_since, is_newest
from mirror.domain.changes import Certainty, Difference, Kind, Source, difference
from mirror.domain.decisions import (
    ASK,
    CLOSE,
    KEEP,
    Asking,
    Case,
    Decision,
    Outcome,
    Question,
    changed,
    first_seen,
    marks,
)
from mirror.domain.inbox import Entry
from mirror.domain.lifecycle import Status
from mirror.domain.record import DEFAULT_WINDOWS, UNDECODABLE, Delivery, Record, Windows
from mirror.domain.review import is_deleted
from mirror.domain.transitions import deleted_again, returned, updated, vanished
from mirror.domain.wire import UndecodableError, decode_review

SOURCES = frozenset({Source.VERIFICATION, Source.RECONCILIATION})
# By how much our measure of the time of a question may be off: a delivery accepted so shortly before the question may
# have been accepted after it.
OVERTAKEN_MS = 2_000
# For how long after a delivery Partoo's search may not show it yet; or REDELIVERY_WINDOW, if that is shorter.
MAX_LAG_MS = 600_000
# For how long a search may omit what is new (developers.partoo.co, retrieve-reviews: "may take up to 24 hours").
OMITTED_MS = 86_400_000


class _Asked(msgspec.Struct, frozen=True):
    observed_at: int
    absent: bool = False


_ASKED = msgspec.json.Decoder(_Asked)


def encode_reading(review: dict[str, Any], observed_at: int) -> bytes:
    """Make the body of an inbox entry; `observed_at`: when Partoo was asked, in milliseconds since 1970 UTC."""
    return msgspec.json.encode(_event(review, observed_at))


def encode_absence(live: dict[str, Any], observed_at: int) -> bytes:
    """Make the body of an inbox entry that tells that Partoo no longer showed a review, of which `live` is known."""
    return msgspec.json.encode({**_event(_deleted(live), observed_at), "absent": True})


def _event(review: dict[str, Any], observed_at: int) -> dict[str, Any]:
    return {"type": "review_updated", "observed_at": observed_at, "payload": {"review": review}}


def _deleted(review: dict[str, Any]) -> dict[str, Any]:
    return {**review, "state": "deleted"}


def take(record: Record | None, entry: Entry, windows: Windows = DEFAULT_WINDOWS) -> Decision:
    """Decide what a reading means for a review. Raises UndecodableError if the entry does not hold one."""
    review, asked = decode_review(entry.body).review, _asked(entry.body)
    if record is None:
        return _first_seen(Delivery(entry.delivery_id, entry.received_at, review, entry.source), asked)
    if asked.absent:
        # What is absent is the review as it is known now: news may have been applied since the entry was made.
        review = _deleted(record.review)
    merged = merge(record, _base(record, review), review)
    delivery = Delivery(entry.delivery_id, entry.received_at, merged.review, entry.source)
    at = max(entry.received_at, record.last_received_at)
    # A reading is no delivery: a later reading of the same run is not overtaken by it.
    return _take(Case(record, delivery, at, _delivered_at(record)), merged, asked, windows)


def _first_seen(delivery: Delivery, asked: _Asked) -> Decision:
    return first_seen(delivery, delivered_at=0, observed_at=asked.observed_at, read_fields=tuple(delivery.review))


def _base(record: Record, review: dict[str, Any]) -> dict[str, Any]:
    shown_again = record.status is not Status.LIVE and "state" in review and not is_deleted(review)
    if not shown_again:
        return record.review
    return record.last_live or {name: value for name, value in record.review.items() if name != "delete_date"}


def _asked(body: bytes) -> _Asked:
    try:
        return _ASKED.decode(body)
    except UNDECODABLE as error:
        raise UndecodableError("not_a_reading", f"the entry does not tell when Partoo was asked: {error}") from None


def _delivered_at(record: Record) -> int:
    """Tell when the last delivery was accepted; records of earlier releases only tell when anything was."""
    return record.delivered_at or (0 if record.observed_at else record.last_received_at)


def _take(case: Case, merged: Merged, asked: _Asked, windows: Windows) -> Decision:
    record = case.record
    refused = _refusal(case, asked)
    if refused is not None:
        return refused
    lag_over_at = case.delivered_at + min(windows.redelivery, MAX_LAG_MS)
    lags = asked.observed_at < lag_over_at
    known: dict[str, Any] = {"observed_at": asked.observed_at, "extra": merged.extra, "read_fields": merged.read_fields}
    delta = difference(record.review, merged.review)
    if not delta.fields:
        return _agreed(case, lag_over_at if lags else 0, known)
    proven = not lags or (deleted_since(case) if is_deleted(merged.review) else is_newest(case, windows))
    if not (proven or _is_put_right_early(record, merged.review, asked)):
        return _deny(case, merged.review, asked, lag_over_at)
    certainty = Certainty.AMBIGUOUS if asked.absent else Certainty.PROVEN if proven else Certainty.UNPROVEN
    decide = _apply_deletion if is_deleted(merged.review) else _apply_shown
    decision = decide(case, delta, certainty, known)
    if proven:
        return decision
    return msgspec.structs.replace(decision, question=Question(Asking.ASK, lag_over_at))


def _refusal(case: Case, asked: _Asked) -> Decision | None:
    record = case.record
    if case.delivered_at > asked.observed_at - OVERTAKEN_MS:
        return _refuse(case, "a delivery was accepted since Partoo was asked", ASK)
    if record.observed_at > asked.observed_at:
        return _refuse(case, "Partoo has been asked again since", KEEP)
    if not asked.absent:
        return None
    if record.status is not Status.LIVE:
        return _refuse(case, "it is missing already", KEEP if record.ambiguous else CLOSE)
    if may_be_omitted(record, asked.observed_at):
        return _refuse(case, "Partoo's search may omit what is new or changed within a day", KEEP)
    return None


def may_be_omitted(record: Record, observed_at: int) -> bool:
    """Tell whether a search may not show a review yet, as it was new or had changed within a day of the question."""
    return observed_at - max(record.first_seen_at, record.since or record.last_changed_at) < OMITTED_MS


def _refuse(case: Case, reason: str, question: Question) -> Decision:
    """Leave the record wholly as it is: a reading that is refused must not make the next one look overtaken."""
    return Decision(Outcome.STALE, case.delivery, case.record, reason=reason, question=question)


def _next_look(case: Case, asked: _Asked, lag_over_at: int) -> int:
    """Wait as long again as since the delivery, until the search must have caught up."""
    return min(lag_over_at, 2 * asked.observed_at - case.delivered_at)


def _deny(case: Case, shown: dict[str, Any], asked: _Asked, lag_over_at: int) -> Decision:
    """Leave a state that a search which may lag does not show, but for the time since when it shows the one before."""
    since = (case.record.denied_at or asked.observed_at) if _is_state_before(case.record, shown) else 0
    denied = msgspec.structs.replace(case.record, denied_at=since)
    question = Question(Asking.ASK, _next_look(case, asked, lag_over_at))
    reason = "Partoo's search may not show yet what a delivery has told"
    return Decision(Outcome.STALE, case.delivery, denied, reason=reason, question=question)


def _is_put_right_early(record: Record, shown: dict[str, Any], asked: _Asked) -> bool:
    """Tell whether an ambiguous state is more likely a late copy than one that a lagging search does not show yet.

    A search that is steadily behind shows the state before for as long as that lasted, and no longer.
    """
    if not (record.ambiguous and record.denied_at and _is_state_before(record, shown)):
        return False
    return asked.observed_at - record.denied_at > _lasted_ms(record)


def _is_state_before(record: Record, shown: dict[str, Any]) -> bool:
    """Tell whether this is the very state that the last change has replaced."""
    if record.status is not Status.LIVE:
        return record.last_live is not None and not difference(record.last_live, shown).fields
    if is_deleted(shown) and record.reappearances and record.live_since == record.since:
        return True  # an absence, however the search tells of it
    mark = previous_states.fingerprint(shown)
    return any(state.fingerprint == mark for state in record.previous_states if state.until == record.since)


def _lasted_ms(record: Record) -> int:
    """Tell how long the state lasted that the last change has replaced."""
    if record.status is not Status.LIVE:
        return (record.missing_since or record.since) - record.live_since
    # States that were kept out are among them.
    replaced = [state for state in record.previous_states if state.until == record.since]
    return replaced[-1].until - replaced[-1].since if replaced else record.since


def _agreed(case: Case, again_at: int, known: dict[str, Any]) -> Decision:
    """Take an answer that says what is mirrored. Where the search may lag, a second look is due.

    It proves what is mirrored, unless the search may be behind and the review was in this state before: then it may
    show that time.
    """
    record = case.record
    if record.certainty is Certainty.PROVEN:
        again_at = 0
    question = Question(Asking.CLOSE, again_at=again_at)
    certainty = Certainty.UNPROVEN if again_at and previous_states.find(record, record.review) else Certainty.PROVEN
    if record.ambiguous:
        decision = changed(case, Kind.CONFIRMED, Difference({}), certainty, **known)
        return msgspec.structs.replace(decision, question=question)
    seen = msgspec.structs.replace(record, last_received_at=case.at, **marks(certainty), **known)
    return Decision(Outcome.UNCHANGED, case.delivery, seen, question=question)


def _apply_shown(case: Case, delta: Difference, certainty: Certainty, known: dict[str, Any]) -> Decision:
    record, shown = case.record, case.delivery.review
    if record.status is Status.LIVE:
        return changed(case, Kind.UPDATED, delta, certainty, **updated(case, shown), **known)
    if record.last_live is not None:
        delta = difference(record.last_live, shown)
    missing_for = case.at - (record.missing_since or case.at)
    return changed(case, Kind.REAPPEARED, delta, certainty, missing_for=missing_for, **returned(case, shown), **known)


def _apply_deletion(case: Case, delta: Difference, certainty: Certainty, known: dict[str, Any]) -> Decision:
    deletion = case.delivery.review
    if case.record.status is Status.LIVE:
        return changed(case, Kind.VANISHED, delta, certainty, **vanished(case, deletion), **known)
    return changed(case, Kind.UPDATED, delta, certainty, **deleted_again(case, deletion), **known)
