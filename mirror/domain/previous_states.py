"""The states that a review was in before, or that were kept out in doubt. Performs no I/O.

A delivery that repeats one may be a late copy, and news must be newer than all of them.
"""

import hashlib
from typing import Any

from mirror.domain.clocks import Instant, Payload, age_of
from mirror.domain.record import PreviousState, Record
from mirror.domain.review import canonical

# A flapping review must not make its record grow without end.
MAX_STATES = 32


def find(record: Record, review: dict[str, Any]) -> PreviousState | None:
    """Return the previous state that a payload repeats, None where it repeats none that is remembered."""
    known = _known(record)
    if not known:
        return None
    mark = fingerprint(review)
    return next((state for state in reversed(known) if state.fingerprint == mark), None)


def added(record: Record, payload: Payload, since: int, until: int) -> dict[str, Any]:
    """Give the fields of a record with one more previous state: `payload`, current from `since` until `until`."""
    left = PreviousState(fingerprint(payload.review), since, until, *age_of(payload))
    kept = (state for state in _known(record) if state.fingerprint != left.fingerprint)
    return {"previous_states": (*kept, left)[-MAX_STATES:], "previous_fingerprints": ()}


def ages_after(record: Record, moment: int) -> list[tuple[str, Instant | None]] | None:
    """Return the ages (see `clocks.age_of`) of the states that a review was in after a moment, or that were kept out.

    The current one and the last live one are among them. None where some of them may have been forgotten.
    """
    known = _known(record)
    if len(known) >= MAX_STATES and known[0].until > moment:
        return None
    ages = [(state.age_field, state.clock) for state in known if state.until > moment]
    if (record.delivered_at or record.last_received_at) > moment:
        ages += [age_of(payload) for payload in (record.current, record.live) if payload is not None]
    return ages


def fingerprint(review: dict[str, Any]) -> str:
    return hashlib.blake2b(canonical(review), digest_size=8).hexdigest()


def _known(record: Record) -> tuple[PreviousState, ...]:
    """Return the states remembered; of those that an earlier release remembered it is not known when they were left."""
    left = (PreviousState(mark, 0, record.last_changed_at) for mark in record.previous_fingerprints)
    return (*left, *record.previous_states) if record.previous_fingerprints else record.previous_states
