"""The commit: what was decided about a review's deliveries becomes its state, in one compare-and-set."""

from collections.abc import Mapping, Sequence

import msgspec

from mirror.domain.changes import Certainty, Change, Source
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
from mirror.storage.packing import pack
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
    effect only while they are the record. `redeliveries` are those of the entries of which is known when they were
    offered first, by their place. `repeats` are the places of those that changed nothing, as the delivery before each
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
    packed = pack([value for one in commits for value in _values(one, now)])
    parts = [*_KEY_PARTS, store.feed_length, *_DELIVERIES]
    args = [*parts, retention, now - retention, packed, *absences.arguments(thresholds, now)]
    answers = await store.commit(keys=[*_KEYS, *absences.KEYS], args=args)
    return [bool(answer) if isinstance(answer, int) else answer.decode() for answer in answers]


_KEYS = [
    keys.WAITING,
    keys.DUE,
    keys.FEED,
    keys.COUNTERS,
    keys.DEAD_LETTERS,
    keys.PARTNERS,
    keys.CORRUPT,
    keys.VERIFY,
    keys.VERIFY_FAILURES,
    keys.SECOND_LOOKS,
    keys.KEPT,
    keys.DEAD_BODIES,
]
_KEY_PARTS = [keys.REVIEW_PREFIX, keys.RECORD_SUFFIX, keys.INBOX_SUFFIX, keys.CHANGES_SUFFIX]
_DELIVERIES = [keys.DELIVERIES_SUFFIX, keys.DELIVERIES_KEPT]


def _values(one: Commit, now: int) -> list[str | bytes]:
    """Put one commit's values in the order in which the script reads them."""
    settled = one.settled
    before, after = settled.before, settled.record
    values: list[str | bytes] = [
        str(one.review_id),
        one.first_delivery,
        one.last_delivery,
        str(one.count),
        "" if after is None else compress(_ENCODE(after)),
        keys.member(one.review_id),
        "" if after is None else text_field(after.review, "partner"),
        _index(before),
        _index(after),
        _business(before),
        _business(after),
        "" if one.verification.ask_at is None else str(one.verification.ask_at),
        str(one.verification.again_at or ""),
        certainty_index(before),
        certainty_index(after),
    ]
    rows = _feed_of_forgetting(settled) if settled.forgets else [_row(change) for change in settled.changes]
    values += [str(len(rows)), *(value for row in rows for value in row)]
    values.append(str(len(settled.dead_letters)))
    for letter in settled.dead_letters:
        letter = msgspec.structs.replace(letter, review_id=one.review_id)  # noqa: PLW2901
        values += [letter.delivery_id, _ENCODE(letter), digest(letter.body)]
    counts = _counts(settled, now)
    values.append(str(len(counts)))
    for name, count in counts.items():
        values += [name, str(count)]
    values += ["" if one.corrupt is None else b"=" + one.corrupt, "1" if settled.forgets else ""]
    values.append(str(len(one.redeliveries)))
    for place, entry in one.redeliveries.items():
        values += [_used_up(entry), str(place), encode_entry(entry)]
    values += [str(len(one.repeats)), *map(str, one.repeats)]
    return values + absences.rows(before, settled.decisions)


def _used_up(entry: Entry) -> str:
    """Name the key by which a redelivery was expected; "" for what was offered once, and will come again."""
    is_again = entry.first_attempt_at is not None and entry.first_attempt_at < entry.received_at
    return keys.OFFERED_PREFIX + digest(entry.body) if is_again else ""


def _row(change: Change) -> tuple[str | bytes, ...]:
    return compress(_ENCODE(change)), str(change.version), change.kind.value, change.delivery_id


def _feed_of_forgetting(settled: Settled) -> list[tuple[str | bytes, ...]]:
    """Tell those who follow the feed, once, to forget the review as well; its history has no entry for that."""
    before, after = settled.before, settled.record
    if after is None or (before is not None and before.forgotten_at is not None):
        return []
    demand = next(one.delivery for one in settled.decisions if one.delivery.source is Source.FORGET)
    return [("", str(after.version), FORGOTTEN, demand.delivery_id)]


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
