"""The audit: whether every delivery that was answered 200 is accounted for, exactly once. Performs no I/O."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise

import msgspec

from mirror.domain.decisions import Outcome
from mirror.domain.history import first_payload, replay
from mirror.domain.inbox import Entry
from mirror.domain.record import Record, Windows
from mirror.domain.settling import Settled, settle
from mirror.domain.wire import decode_review
from mirror.views import changes_view, record_view
from tools.chaos.kept import Kept
from tools.chaos.sending import Acknowledged

# Of many findings of one kind, the first tell enough.
MOST_SHOWN = 5


class Evidence(msgspec.Struct):
    """What there is to judge by.

    `expected`: what the reducer makes of the deliveries of each review, in the order in which Redis accepted them.
    `told`: how often the workers' logs tell of each delivery.
    """

    acknowledged: Mapping[int, Sequence[Acknowledged]]
    failed_attempts: int
    kept: Kept
    told: Mapping[str, int]
    expected: Mapping[int, Settled]


class Verdict(msgspec.Struct):
    """What one check looked for, among how many things, and what it found wrong."""

    check: str
    looked_at: int
    wrong: list[str]


def expect(kept: Kept, windows: Windows) -> dict[int, Settled]:
    """Fold each review's deliveries in the order in which Redis accepted them, in the batches in which it did."""
    writes = kept.writes
    return {
        review_id: _fold(entries, writes.batches.get(review_id, []), windows)
        for review_id, entries in writes.accepted.items()
    }


def _fold(entries: Sequence[Entry], batches: Sequence[int], windows: Windows) -> Settled:
    whole = Settled(None, None, [], [])
    for first, last in pairwise([*accumulate(batches, initial=0), len(entries)]):
        settled = _decide(whole.record, entries[first:last], windows)
        whole.decisions.extend(settled.decisions)
        whole.dead_letters.extend(settled.dead_letters)
        whole = Settled(None, settled.record, whole.decisions, whole.dead_letters)
    return whole


def _decide(record: Record | None, entries: Sequence[Entry], windows: Windows) -> Settled:
    """Decide as a worker does: what was offered later than a delivery is about a later one."""
    again = [
        msgspec.structs.replace(entry, first_attempt_at=None)
        if (entry.first_attempt_at or 0) > entry.received_at
        else entry
        for entry in entries
    ]
    return settle(record, again, windows)


def audit(evidence: Evidence) -> list[Verdict]:
    return [
        Verdict(check, looked_at(evidence), [*_some(find(evidence))]) for check, (looked_at, find) in CHECKS.items()
    ]


def _some(findings: Iterator[str]) -> Iterator[str]:
    more = 0
    for number, finding in enumerate(findings):
        if number < MOST_SHOWN:
            yield finding
        else:
            more += 1
    if more:
        yield f"and {more} more"


def _accepted(evidence: Evidence) -> Iterator[tuple[int, Acknowledged]]:
    for review_id, answers in evidence.acknowledged.items():
        for answer in answers:
            if answer.status == "accepted":
                yield review_id, answer


def _ids(evidence: Evidence) -> Iterator[str]:
    for entries in evidence.kept.writes.accepted.values():
        yield from (entry.delivery_id for entry in entries)


def lost(evidence: Evidence) -> Iterator[str]:
    """Find what was answered 200 and never stood in the inbox of its review, as it was sent."""
    for review_id, answer in _accepted(evidence):
        bodies = {entry.delivery_id: entry.body for entry in evidence.kept.writes.accepted.get(review_id, [])}
        if bodies.get(answer.delivery_id) != answer.sent.body:
            yield f"review {review_id}: {answer.delivery_id} was answered 200 and is not in the inbox's history"


def answered_wrongly(evidence: Evidence) -> Iterator[str]:
    for answers in evidence.acknowledged.values():
        for answer in answers:
            if answer.status != answer.sent.status:
                yield f"{answer.delivery_id} was answered {answer.status}, not {answer.sent.status}"


def letters_lost(evidence: Evidence) -> Iterator[str]:
    """Find dead letters that were answered 200 and are neither kept nor counted among the copies of the one kept."""
    for body, count in _dead_letters(evidence).items():
        kept = evidence.kept.dead_letters.get(body, 0)
        if kept < count:
            yield f"{count} dead letters {body[:200]!r} were answered 200, of which {kept} are kept"


def _dead_letters(evidence: Evidence) -> Counter[bytes]:
    return Counter(
        answer.sent.body
        for answers in evidence.acknowledged.values()
        for answer in answers
        if answer.status == "dead_letter"
    )


def stored_twice(evidence: Evidence) -> Iterator[str]:
    yield from (f"{name} was stored {count} times" for name, count in Counter(_ids(evidence)).items() if count > 1)


def copies(evidence: Evidence) -> int:
    """Count what is stored although its sender was told to send it again: its 200 was lost."""
    return sum(1 for _ in _ids(evidence)) - sum(1 for _ in _accepted(evidence))


def taken_for_redeliveries(evidence: Evidence) -> int:
    """Count what was answered 200 and yet is stale: its body had been offered before, and Redis still knew of it."""
    answered = {answer.delivery_id for _, answer in _accepted(evidence)}
    decisions = (decision for settled in evidence.expected.values() for decision in settled.decisions)
    return sum(
        decision.outcome is Outcome.STALE
        and decision.delivery.first_attempt_at is not None
        and decision.delivery.delivery_id in answered
        for decision in decisions
    )


def unexplained(evidence: Evidence) -> Iterator[str]:
    found = copies(evidence)
    if found > evidence.failed_attempts:
        yield f"{found} deliveries are stored that nobody sent: only {evidence.failed_attempts} attempts failed"


def waiting(evidence: Evidence) -> Iterator[str]:
    kept = evidence.kept
    for name, count in (("rm:waiting", kept.waiting), ("rm:due", kept.due), ("inboxes", kept.inboxes)):
        if count:
            yield f"{name} still holds {count}"


def records_differ(evidence: Evidence) -> Iterator[str]:
    """Compare what the read API shows of each review with the fold of what Redis accepted, in that order."""
    for review_id, settled in evidence.expected.items():
        found = evidence.kept.reviews.get(review_id)
        if found is None or settled.record is None:
            if settled.record is not None:
                yield f"review {review_id} has no record"
            continue
        record, changes = found
        if record_view(record) != record_view(settled.record):
            yield f"review {review_id} shows version {record.version}, the fold version {settled.record.version}"
        elif changes_view(changes, None) != changes_view(settled.changes, None):
            yield f"review {review_id}: its history is not the one of the fold"


def histories_broken(evidence: Evidence) -> Iterator[str]:
    """Judge each history by itself: contiguous, no delivery twice, and leading to the record."""
    for review_id, (record, changes) in evidence.kept.reviews.items():
        if [change.version for change in changes] != list(range(1, record.version + 1)):
            yield f"review {review_id}: its versions have gaps or doubles"
            continue
        names = [change.delivery_id for change in changes]
        known = {entry.delivery_id for entry in evidence.kept.writes.accepted[review_id]}
        if len(set(names)) < len(names) or not set(names) <= known:
            yield f"review {review_id}: its history names a delivery twice, or one that was never accepted"
        replayed = replay(first_payload(record, changes), changes)
        if replayed is None or (replayed.review, replayed.status) != (record.review, record.status):
            yield f"review {review_id}: its history does not lead to what it shows"


def last_not_shown(evidence: Evidence) -> Iterator[str]:
    """Hold each review to what its sender knows, without the reducer: the last delivery acknowledged is what it shows.

    Left out are reviews with a copy whose answer was lost, which may have come in behind, and those whose last delivery
    was taken for a redelivery.
    """
    for review_id in _undisputed(evidence):
        sent = [answer.sent.body for answer in evidence.acknowledged[review_id] if answer.status == "accepted"]
        found = evidence.kept.reviews.get(review_id)
        if found is None or found[0].review != decode_review(sent[-1]).review:
            yield f"review {review_id} does not show the last delivery that was acknowledged"


def _undisputed(evidence: Evidence) -> list[int]:
    accepted = Counter(review_id for review_id, _ in _accepted(evidence))
    stored = evidence.kept.writes.accepted
    return [
        name
        for name, count in accepted.items()
        if count == len(stored.get(name, [])) and stored[name][-1].first_attempt_at is None
    ]


def miscounted(evidence: Evidence) -> Iterator[str]:
    """Compare the counters, which are part of the same steps as what they count."""
    counts = evidence.kept.counts
    expected = Counter(
        f"decisions:{decision.outcome}" for settled in evidence.expected.values() for decision in settled.decisions
    )
    expected["deliveries:accepted"] = sum(1 for _ in _ids(evidence))
    for name in {*expected, *(name for name in counts if name.startswith("decisions:"))}:
        if counts.get(name, 0) != expected[name]:
            yield f"{name} is {counts.get(name, 0)}, not {expected[name]}"


def split(evidence: Evidence) -> Iterator[str]:
    """Find commits that left in the inbox what they applied: a worker that died then would have it applied again."""
    for review_id in evidence.kept.writes.split:
        yield f"review {review_id}: a record or a history was written in another step than its inbox"


def told_twice(evidence: Evidence) -> Iterator[str]:
    yield from (f"the logs tell {count} times what {name} meant" for name, count in evidence.told.items() if count > 1)


def _count_accepted(evidence: Evidence) -> int:
    return sum(1 for _ in _accepted(evidence))


def _count_stored(evidence: Evidence) -> int:
    return sum(1 for _ in _ids(evidence))


def _count_all(evidence: Evidence) -> int:
    return sum(len(answers) for answers in evidence.acknowledged.values())


def _count_reviews(evidence: Evidence) -> int:
    return len(evidence.kept.reviews)


CHECKS: Mapping[str, tuple[Callable[[Evidence], int], Callable[[Evidence], Iterator[str]]]] = {
    "whatever was answered 200 was stored first, byte for byte": (_count_accepted, lost),
    "every answer says what became of the delivery": (_count_all, answered_wrongly),
    "every dead letter that was answered 200 is kept": (lambda it: _dead_letters(it).total(), letters_lost),
    "nothing was stored twice under one id": (_count_stored, stored_twice),
    "whatever is stored without a 200 was sent by an attempt that failed": (copies, unexplained),
    "nothing waits": (_count_reviews, waiting),
    "every review and history is the fold of what Redis accepted, in its order": (_count_reviews, records_differ),
    "every history is complete, without doubles, and leads to its review": (_count_reviews, histories_broken),
    "every review shows what was acknowledged last": (lambda it: len(_undisputed(it)), last_not_shown),
    "every commit takes what it applies out of the inbox, in one step": (lambda it: it.kept.writes.commits, split),
    "every delivery is counted once, as what it meant": (_count_stored, miscounted),
    "the logs tell of no delivery twice": (lambda it: sum(it.told.values()), told_twice),
}
