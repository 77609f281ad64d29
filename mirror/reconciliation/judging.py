"""What a review that Partoo shows, or no longer shows, means for the mirror. Performs no I/O."""

import msgspec

from mirror.domain.changes import Kind, Source, difference
from mirror.domain.forgetting import FORGOTTEN
from mirror.domain.inbox import Entry
from mirror.domain.reading import take
from mirror.domain.record import Record
from mirror.domain.wire import UndecodableError

SAME = "same"
OVERTAKEN = "overtaken"
UNREADABLE = "unreadable"
ABSENT = "absent"  # shown nowhere, yet left as it is
# What a reading or an absence can be; `gone` is for checks of ours alone, `trimmed` no news.
_KINDS = (Kind.FIRST_SEEN, Kind.UPDATED, Kind.VANISHED, Kind.REAPPEARED, Kind.CONFIRMED)
OUTCOMES = (SAME, *_KINDS, OVERTAKEN, UNREADABLE, ABSENT, FORGOTTEN)


class Verdict(msgspec.Struct, frozen=True):
    """What was found of one review: `fields` differ; `entry` goes into its inbox, None: nothing does.

    `outcome` is one of OUTCOMES; `reason` says why nothing goes into the inbox, or what is in doubt.
    """

    review_id: int
    outcome: str
    fields: tuple[str, ...] = ()
    entry: Entry | None = None
    reason: str | None = None


def judge(record: Record | None, review_id: int, body: bytes, delivery_id: str, now: int) -> Verdict:
    """Decide on a reading or an absence, encoded as `body`, by the rule that the worker will apply it by.

    The worker decides again, on what the record is then.
    """
    if record is not None and record.forgotten_at is not None:
        return Verdict(review_id, FORGOTTEN, reason="it was erased on demand, and stays out")
    entry = Entry(delivery_id, now, Source.RECONCILIATION, body)
    try:
        decision = take(record, entry)
    except UndecodableError as error:
        return Verdict(review_id, UNREADABLE, reason=str(error))
    if decision.change is None:
        same = record is not None and not difference(record.review, decision.delivery.review).fields
        return Verdict(review_id, SAME if same else OVERTAKEN, reason=decision.reason)
    reason = "in doubt: Partoo shows it nowhere" if decision.change.ambiguous else None
    return Verdict(review_id, decision.outcome, tuple(sorted(decision.change.fields)), entry, reason)
