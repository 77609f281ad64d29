"""The commit: what was decided about a review's deliveries becomes its state, in one compare-and-set."""

from collections.abc import Mapping, Sequence

import msgspec

from mirror.domain.changes import Certainty, Change, Source
from mirror.domain.dead_letters import DeadLetter
from mirror.domain.forgetting import FORGOTTEN
from mirror.domain.inbox import Entry
from mirror.domain.incidents import DEFAULT_THRESHOLDS, Thresholds
from mirror.domain.record import Record
from mirror.domain.review import text_field
from mirror.domain.settling import Settled
from mirror.storage import absences, keys
from mirror.storage.failed_attempts import digest
from mirror.storage.frames import compress
from mirror.storage.histogram import bucket
from mirror.storage.inbox_entries import encode_entry
from mirror.storage.packing import as_text, pack_map, pack_rows
from mirror.storage.store import Store

_ENCODE = msgspec.json.Encoder().encode


class Verification(msgspec.Struct, frozen=True):
    """When Partoo is to be asked about a review, in milliseconds since 1970 UTC.

    `ask_at`: 0 not at all, None as was settled before. `again_at`: when a second look is due; 0: none is.
    """

    ask_at: int | None = None
    again_at: int = 0

    @property
    def asks(self) -> bool:
        return bool(self.ask_at)


NO_VERIFICATION = Verification()


class Commit(msgspec.Struct, frozen=True):
    """What to write for one review: the outcome of the first `count` entries of its inbox, and which these were.

    `corrupt` holds the bytes, perhaps none, of a record that cannot be read: they are set aside, and the commit takes
    effect only while they are the record. `redeliveries` are the entries whose first attempt is known, by their
    place. `repeats` are the places of those that changed nothing, as the delivery before each
    changed nothing: where both are the same bytes, only the later one is kept.
    """

    review_id: int
    first_delivery: str
    last_delivery: str
    count: int
    settled: Settled
    verification: Verification = NO_VERIFICATION
    corrupt: bytes | None = None
    redeliveries: Mapping[int, Entry] = {}
    repeats: Sequence[int] = ()


async def commit(
    store: Store,
    commits: Sequence[Commit],
    now: int,
    retention: int = 0,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> list[bool | str]:
    """Write commits, each review in a step of its own, all in one round trip; `now` is in milliseconds since 1970 UTC.

    The raw deliveries stay for `retention` milliseconds, the newest `keys.DELIVERIES_KEPT` of each review (0: none
    stays). `thresholds` say how many absences are an incident.

    Gives for each: True when it was written; False when the inbox did not begin with these deliveries any more, most
    likely because another worker was faster, or when a corrupt record has been mended meanwhile; or the error that
    Redis answered for this review. Raises StorageUnavailableError when the connection fails; then each may or
    may not have been written, and writing it again is harmless.
    """
    options = pack_map(
        OPTIONS
        | {"feed_length": store.feed_length, "now": str(now), "retention": retention, "oldest_kept": now - retention}
        | absences.options(thresholds)
    )
    packed = pack_rows(FIELDS, [_row(one, now) for one in commits])
    answers = await store.commit(keys=list(KEYS.values()), args=[options, packed])
    return [bool(answer) if isinstance(answer, int) else answer.decode() for answer in answers]


# The keys, and what never changes of the options, by the names that commit.lua uses.
KEYS = {
    "waiting": keys.WAITING,
    "due": keys.DUE,
    "feed": keys.FEED,
    "counters": keys.COUNTERS,
    "dead_letters": keys.DEAD_LETTERS,
    "partners": keys.PARTNERS,
    "corrupt": keys.CORRUPT,
    "verify": keys.VERIFY,
    "verify_failures": keys.VERIFY_FAILURES,
    "second_looks": keys.SECOND_LOOKS,
    "kept": keys.KEPT,
    "dead_bodies": keys.DEAD_BODIES,
    **absences.KEYS,
}
OPTIONS: dict[str, object] = {
    "keys": list(KEYS),
    "review_prefix": keys.REVIEW_PREFIX,
    "record_suffix": keys.RECORD_SUFFIX,
    "inbox_suffix": keys.INBOX_SUFFIX,
    "changes_suffix": keys.CHANGES_SUFFIX,
    "deliveries_suffix": keys.DELIVERIES_SUFFIX,
    "deliveries_kept": keys.DELIVERIES_KEPT,
}


class _ChangeRow(msgspec.Struct, array_like=True):
    """A change; `entry` is "" where only the feed tells of it."""

    entry: msgspec.Raw | str
    version: str
    kind: str
    delivery_id: str


class _DeadLetterRow(msgspec.Struct, array_like=True):
    delivery_id: str
    dead_letter: msgspec.Raw
    digest: str


class _CountRow(msgspec.Struct, array_like=True):
    name: str
    increment: str


class _RedeliveryRow(msgspec.Struct, array_like=True):
    """`attempt`: the key of its failed attempt, or ""; `entry`: what is kept of it."""

    attempt: str
    place: int
    entry: msgspec.Raw


class _CommitRow(msgspec.Struct, array_like=True):
    """One commit, as the script reads it.

    Ids and times are texts: Lua's numbers end at 2^53. "" stands for what there is none of: `record` and `verify_at`
    are left as they are then; an index is none of the review's. `corrupt` begins with "=" where there is one.
    """

    review_id: str
    first: str
    last: str
    count: int
    record: msgspec.Raw | str
    member: str
    partner: str
    index_before: str
    index_after: str
    business_before: str
    business_after: str
    verify_at: str
    again_at: str
    certainty_before: str
    certainty_after: str
    changes: list[_ChangeRow]
    dead_letters: list[_DeadLetterRow]
    counts: list[_CountRow]
    corrupt: msgspec.Raw | str
    forget: bool
    redeliveries: list[_RedeliveryRow]
    repeats: list[int]
    absence_events: list[absences.AbsenceRow]


FIELDS = {
    "commit": _CommitRow.__struct_fields__,
    "change": _ChangeRow.__struct_fields__,
    "dead_letter": _DeadLetterRow.__struct_fields__,
    "count": _CountRow.__struct_fields__,
    "redelivery": _RedeliveryRow.__struct_fields__,
    "absence_event": absences.AbsenceRow.__struct_fields__,
}


def _row(one: Commit, now: int) -> _CommitRow:
    settled = one.settled
    before, after = settled.before, settled.record
    return _CommitRow(
        review_id=str(one.review_id),
        first=one.first_delivery,
        last=one.last_delivery,
        count=one.count,
        record="" if after is None else as_text(compress(_ENCODE(after))),
        member=keys.member(one.review_id),
        partner="" if after is None else text_field(after.review, "partner"),
        index_before=_index(before),
        index_after=_index(after),
        business_before=_business(before),
        business_after=_business(after),
        verify_at="" if one.verification.ask_at is None else str(one.verification.ask_at),
        again_at=str(one.verification.again_at or ""),
        certainty_before=certainty_index(before),
        certainty_after=certainty_index(after),
        changes=_feed_of_forgetting(settled) if settled.forgets else [_change_row(one) for one in settled.changes],
        dead_letters=[_dead_letter_row(letter, one.review_id) for letter in settled.dead_letters],
        counts=[_CountRow(name, str(count)) for name, count in _counts(settled, now).items()],
        corrupt="" if one.corrupt is None else as_text(b"=" + one.corrupt),
        forget=settled.forgets,
        redeliveries=[
            _RedeliveryRow(_used_up(entry), place, as_text(encode_entry(entry)))
            for place, entry in one.redeliveries.items()
        ],
        repeats=list(one.repeats),
        absence_events=absences.rows(before, settled.decisions),
    )


def _dead_letter_row(letter: DeadLetter, review_id: int) -> _DeadLetterRow:
    letter = msgspec.structs.replace(letter, review_id=review_id)
    return _DeadLetterRow(letter.delivery_id, as_text(_ENCODE(letter)), digest(letter.body))


def _used_up(entry: Entry) -> str:
    """Name the key of a redelivery's failed attempt; "" for a first attempt, whose redelivery is still to come."""
    is_again = entry.first_attempt_at is not None and entry.first_attempt_at < entry.received_at
    return keys.OFFERED_PREFIX + digest(entry.body) if is_again else ""


def _change_row(change: Change) -> _ChangeRow:
    return _ChangeRow(as_text(compress(_ENCODE(change))), str(change.version), change.kind.value, change.delivery_id)


def _feed_of_forgetting(settled: Settled) -> list[_ChangeRow]:
    """Tell those who follow the feed, once, to forget the review as well; its history has no entry for that."""
    before, after = settled.before, settled.record
    if after is None or (before is not None and before.forgotten_at is not None):
        return []
    demand = next(one.delivery for one in settled.decisions if one.delivery.source is Source.FORGET)
    return [_ChangeRow("", str(after.version), FORGOTTEN, demand.delivery_id)]


def _index(record: Record | None) -> str:
    if record is None or record.forgotten_at is not None:
        return ""
    return keys.index(record.status, text_field(record.review, "partner"))


def certainty_index(record: Record | None) -> str:
    """Name the index of reviews that are not proven; "" for the others."""
    if record is None or record.forgotten_at is not None or record.certainty is Certainty.PROVEN:
        return ""
    return keys.certainty(record.certainty)


def _business(record: Record | None) -> str:
    business_id = "" if record is None else text_field(record.review, "business_id")
    return keys.business(business_id) if business_id else ""


def _counts(settled: Settled, now: int) -> dict[str, int]:
    counts: dict[str, int] = {}
    waited = 0
    for decision in settled.decisions:
        ms = max(0, now - decision.delivery.received_at)
        waited += ms
        names = [f"decisions:{decision.outcome}", bucket("apply_seconds", ms / 1000)]
        if decision.change is not None and decision.certainty is not Certainty.PROVEN:
            names.append(decision.certainty.value)
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    if waited:
        counts["apply_seconds:sum_ms"] = waited
    if settled.dead_letters:
        counts["dead_letters:worker"] = len(settled.dead_letters)
    return counts
