"""What a review that Partoo shows, or no longer shows, means for the mirror. Performs no I/O."""

import msgspec

from mirror.domain.changes import Kind, difference
from mirror.domain.decisions import Asking, Decision
from mirror.domain.forgetting import FORGOTTEN
from mirror.domain.inbox import Entry
from mirror.domain.reading import take
from mirror.domain.record import Record, Windows
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

    `outcome` is one of OUTCOMES; `reason` says why the review stays as it is, or what is in doubt.
    """

    review_id: int
    outcome: str
    fields: tuple[str, ...] = ()
    entry: Entry | None = None
    reason: str | None = None


def judge(record: Record | None, review_id: int, entry: Entry, windows: Windows, *, asked_about: bool) -> Verdict:
    """Decide on a reading or an absence by the rule that the worker will apply the entry by.

    The worker decides again, on what the record is then. `asked_about`: there is an open question about the review.
    """
    if record is not None and record.forgotten_at is not None:
        return Verdict(review_id, FORGOTTEN, reason="it was erased on demand, and stays out")
    try:
        decision = take(record, entry, windows)
    except UndecodableError as error:
        return Verdict(review_id, UNREADABLE, reason=str(error))
    if record is None or decision.change is not None:
        change = decision.change
        reason = "in doubt: Partoo shows it nowhere" if change is not None and change.ambiguous else None
        fields = () if change is None else tuple(sorted(change.fields))
        return Verdict(review_id, decision.outcome, fields, entry, reason)
    same = not difference(record.review, decision.delivery.review).fields
    matters = _settles(record, decision, same=same, asked_about=asked_about)
    return Verdict(review_id, SAME if same else OVERTAKEN, (), entry if matters else None, decision.reason)


def _settles(record: Record, decision: Decision, *, same: bool, asked_about: bool) -> bool:
    """Tell whether an answer that changes nothing of the review is worth an entry.

    It is where it proves what is mirrored, tells more of the API's own fields, closes a question, or puts one.
    """
    after = decision.record
    if (record.certainty, record.extra, record.read_fields) != (after.certainty, after.extra, after.read_fields):
        return True
    if decision.question.asking is Asking.CLOSE:
        return asked_about
    return decision.question.asking is Asking.ASK and not (same or asked_about)
