"""From a claimed review to the commit that settles its deliveries. No I/O but log lines."""

from collections.abc import Mapping, Sequence

import msgspec
import structlog

from mirror.domain.changes import Source
from mirror.domain.decisions import Asking, Outcome, Question
from mirror.domain.inbox import Entry
from mirror.domain.incidents import DEFAULT_THRESHOLDS, Thresholds
from mirror.domain.record import SCHEMA_VERSION, UNDECODABLE, CorruptError, Windows
from mirror.domain.settling import Settled, refuse, settle
from mirror.storage.commit import NO_VERIFICATION, Commit, Verification
from mirror.storage.decoding import NewerFormatError, decode_record
from mirror.storage.failed_attempts import digest
from mirror.storage.inbox import Claim
from mirror.storage.inbox_entries import body_of, decode_entry

log = structlog.get_logger()


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What the worker's decisions and commits depend on. Durations are in milliseconds.

    `delivery_retention`: for how long raw deliveries are kept once applied; 0: not at all.
    `thresholds`: how many absences are an incident.
    `verification_delay`: how long after a decision in doubt Partoo is to be asked; None: never.
    """

    windows: Windows = Windows()
    log_text: bool = False
    delivery_retention: int = 0
    verification_delay: int | None = None
    thresholds: Thresholds = DEFAULT_THRESHOLDS


def decide(claim: Claim, policy: Policy, first_attempts: Mapping[str, int], now: int) -> Commit | None:
    """Decide on one review's deliveries; None where they are to wait, and be claimed again after the lease.

    `first_attempts`: when bodies, by their digests, were first sent without being acknowledged.
    `now`: the time in ms since 1970 UTC.
    """
    if claim.problem is not None:
        log.error("drain.review_failed", review_id=claim.review_id, corrupt=True, reason=claim.problem)
        return None
    try:
        entries = [_with_first_attempt(decode_entry(data), first_attempts) for data in claim.entries]
        try:
            record = None if claim.record is None else decode_record(claim.review_id, claim.record)
        except NewerFormatError as error:
            log.warning("drain.newer_schema", review_id=claim.review_id, schema=error.problem)
            return None
        except CorruptError as error:
            if not any(entry.source is Source.FORGET for entry in entries):
                return _refuse(claim, entries, error.problem)
            record = None  # what cannot be read can be erased
        if record is not None and record.schema > SCHEMA_VERSION:
            log.warning("drain.newer_schema", review_id=claim.review_id, schema=record.schema)
            return None
        settled = settle(record, entries, policy.windows)
    except Exception as error:  # one review that breaks must not hold up the others
        corrupt = isinstance(error, UNDECODABLE)
        log.exception("drain.review_failed", review_id=claim.review_id, corrupt=corrupt)
        return None
    return _commit(claim.review_id, entries, settled, verification=_verification(settled, policy, now))


def digests(claim: Claim) -> list[str]:
    """Name the bodies of a claim's deliveries that Partoo may have sent before."""
    return [digest(body_of(data)) for data in claim.entries]


def _with_first_attempt(entry: Entry, first_attempts: Mapping[str, int]) -> Entry:
    is_asked = first_attempts and entry.source is Source.WEBHOOK
    first_attempt_at = first_attempts.get(digest(entry.body)) if is_asked else None
    # At the same moment: this is the first attempt itself, which was stored although it was not acknowledged.
    known = first_attempt_at is not None and first_attempt_at <= entry.received_at
    return msgspec.structs.replace(entry, first_attempt_at=first_attempt_at) if known else entry


def _refuse(claim: Claim, entries: list[Entry], problem: str) -> Commit:
    """Put the deliveries of a review whose record cannot be read into the dead letters, whence they can be retried."""
    log.error("drain.corrupt_record", review_id=claim.review_id, reason=problem, deliveries=len(entries))
    return _commit(claim.review_id, entries, refuse(entries, problem), corrupt=claim.record)


def _commit(
    review_id: int,
    entries: list[Entry],
    settled: Settled,
    *,
    corrupt: bytes | None = None,
    verification: Verification = NO_VERIFICATION,
) -> Commit:
    first, last = entries[0].delivery_id, entries[-1].delivery_id
    again = {place: entry for place, entry in enumerate(entries) if entry.first_attempt_at is not None}
    repeats = _repeats(entries, settled)
    return Commit(review_id, first, last, len(entries), settled, verification, corrupt, again, repeats)


def _repeats(entries: Sequence[Entry], settled: Settled) -> list[int]:
    """Give the places of the deliveries that changed nothing, as the one before each changed nothing."""
    unchanged = {one.delivery.delivery_id for one in settled.decisions if one.outcome is Outcome.UNCHANGED}
    if not unchanged:
        return []
    before = settled.before
    # What was applied last made no change: as the review still is what it was, neither did a copy of it.
    follows = before is not None and before.last_changed_at < before.last_received_at
    repeats = []
    for place, entry in enumerate(entries):
        is_unchanged = entry.delivery_id in unchanged
        if follows and is_unchanged:
            repeats.append(place)
        follows = is_unchanged
    return repeats


def _verification(settled: Settled, policy: Policy, now: int) -> Verification:
    """Tell when Partoo is to be asked about the review, `now` being the time in milliseconds since 1970 UTC."""
    if settled.forgets:
        return Verification(ask_at=0)
    if policy.verification_delay is None:
        return Verification()
    match settled.question:
        case Question(asking=Asking.KEEP):
            return Verification()
        case Question(asking=Asking.CLOSE, again_at=again_at):
            return Verification(ask_at=0, again_at=again_at)
        case Question(not_before=not_before):
            return Verification(ask_at=max(now + policy.verification_delay, not_before))
