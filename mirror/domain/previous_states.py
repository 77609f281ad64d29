"""The states that a review was in before: a delivery that repeats one may be a late copy. Performs no I/O."""

import hashlib
from typing import Any

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


def add(record: Record, review: dict[str, Any], since: int, until: int) -> tuple[PreviousState, ...]:
    """Return a record's previous states with one more: `review`, which was current from `since` until `until`."""
    mark = fingerprint(review)
    kept = (state for state in _known(record) if state.fingerprint != mark)
    return (*kept, PreviousState(mark, since, until))[-MAX_STATES:]


def fingerprint(review: dict[str, Any]) -> str:
    return hashlib.blake2b(canonical(review), digest_size=8).hexdigest()


def _known(record: Record) -> tuple[PreviousState, ...]:
    """Return the states remembered; of those that an earlier release remembered it is not known when they were left."""
    left = (PreviousState(mark, 0, record.last_changed_at) for mark in record.left)
    return (*left, *record.previous_states) if record.left else record.previous_states
