"""What becomes of a review's waiting entries, by where each comes from. Performs no I/O."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from mirror.domain.changes import Change, Source
from mirror.domain.dead_letters import CORRUPT_RECORD, DeadLetter, dead_letter
from mirror.domain.decisions import KEEP, Asking, Decision, Question
from mirror.domain.forgetting import keep_out, refuse_demand, tombstone_after
from mirror.domain.grace import end_grace
from mirror.domain.inbox import Entry
from mirror.domain.reading import take
from mirror.domain.record import Delivery, Record, Windows
from mirror.domain.reducer import reduce
from mirror.domain.wire import UndecodableError, decode_review


class Settled(msgspec.Struct, frozen=True):
    """What became of the entries of one review, in their order.

    `record` is the one after them, None if there was none and still is none. Every entry is either in `decisions` or
    in `dead_letters`.
    """

    before: Record | None
    record: Record | None
    decisions: list[Decision]
    dead_letters: list[DeadLetter]

    @property
    def forgets(self) -> bool:
        """Whether the review is forgotten, now or before: nothing of it may be kept."""
        return self.record is not None and self.record.forgotten_at is not None

    @property
    def changes(self) -> list[Change]:
        return [decision.change for decision in self.decisions if decision.change is not None]

    @property
    def question(self) -> Question:
        """What the entries together mean for a question to Partoo: the last of them that is not indifferent counts."""
        asking = [decision.question for decision in self.decisions if decision.question.asking is not Asking.KEEP]
        return asking[-1] if asking else KEEP


# Decides what one entry means for a record; raises UndecodableError where it cannot be read.
Rule = Callable[[Record | None, Entry, Windows], Decision]


def _report(record: Record | None, entry: Entry, windows: Windows) -> Decision:
    event = decode_review(entry.body)
    delivery = Delivery(
        entry.delivery_id, entry.received_at, event.review, entry.source, entry.first_attempt_at, event.repaired
    )
    return reduce(record, delivery, windows)


RULES: Mapping[Source, Rule] = {
    Source.WEBHOOK: _report,
    Source.VERIFICATION: take,
    Source.RECONCILIATION: take,
    Source.REPLAY: _report,
    Source.FORGET: refuse_demand,
    Source.GRACE: end_grace,
}


def settle(record: Record | None, entries: Sequence[Entry], windows: Windows) -> Settled:
    """Apply entries to a record, in order. What this release cannot read becomes a dead letter and holds up nobody."""
    try:
        tombstone = tombstone_after(record, entries)
    except UndecodableError:
        tombstone = None  # its rule makes a dead letter of it
    if tombstone is not None:
        return Settled(record, tombstone, [keep_out(tombstone, entry) for entry in entries], [])
    before = record
    decisions: list[Decision] = []
    dead_letters: list[DeadLetter] = []
    for entry in entries:
        try:
            decision = RULES[entry.source](record, entry, windows)
        except UndecodableError as error:
            dead_letters.append(dead_letter(entry, error.code, str(error), error.review_id))
            continue
        record = decision.record
        decisions.append(decision)
    return Settled(before, record, decisions, dead_letters)


def refuse(entries: Sequence[Entry], problem: str) -> Settled:
    """Make dead letters of entries about a review whose record cannot be read: nothing may be built on it."""
    message = f"the review's record in Redis cannot be read: {problem}"
    return Settled(None, None, [], [dead_letter(entry, CORRUPT_RECORD, message) for entry in entries])
