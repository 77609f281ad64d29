"""Absences in Redis: what a commit writes of them, checks of those whose grace seems over, and the counts of all."""

import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from mirror.domain.absences import AbsenceEvent, AbsenceEventKind, Counts, Overview, absence_events, absence_events_of
from mirror.domain.decisions import Decision
from mirror.domain.durations import bucket
from mirror.domain.grace import Check, make_check
from mirror.domain.incidents import BACK, Thresholds, business_scope, partner_scope
from mirror.domain.lifecycle import Status
from mirror.domain.record import UNDECODABLE, Record
from mirror.storage import keys
from mirror.storage.frames import decompress
from mirror.storage.inbox_entries import encode_entry
from mirror.storage.packing import pack
from mirror.storage.store import Store

# Absences that one round of checks takes up.
CHECKS_AT_A_TIME = 500

# The scope of the whole mirror.
ALL = "all"

# What absences.lua is given as a part of commit.lua, by the names that it uses.
KEYS = {
    "absences": keys.ABSENCES,
    "absent_businesses": keys.ABSENT_BUSINESSES,
    "incidents": keys.INCIDENTS,
}
_PREFIXES = {
    "stats_prefix": keys.STATS_PREFIX,
    "recent_prefix": keys.RECENT_PREFIX,
    "incident_prefix": keys.INCIDENT_PREFIX,
    "held_prefix": keys.HELD_PREFIX,
    "live_prefix": keys.index(Status.LIVE, ""),
    "business_prefix": keys.business(""),
}


class AbsenceRow(msgspec.Struct, array_like=True, frozen=True):
    """What a commit means for an absence. `counts` names what it adds to the counts: `name number`, in a row."""

    kind: str
    at: str
    partner: str
    business: str
    counts: str


def options(thresholds: Thresholds) -> dict[str, str | int | float]:
    """Return what absences.lua reads from OPTIONS."""
    return {
        **_PREFIXES,
        "incident_window": thresholds.window,
        "incident_reviews": thresholds.reviews,
        "incident_share": thresholds.share,
    }


def rows(before: Record | None, decisions: Sequence[Decision]) -> list[AbsenceRow]:
    """Write what decisions on one review mean for its absences, as commit.lua reads it."""
    return [
        AbsenceRow(
            event.kind.value,
            str(event.at),
            event.partner,
            event.business_id,
            " ".join(f"{name} {by}" for name, by in _counts(event).items()),
        )
        for event in absence_events(before, decisions)
    ]


def _counts(event: AbsenceEvent) -> dict[str, int]:
    """Tell what an event adds to the counts of its business, its partner and the whole mirror."""
    match event.kind:
        case AbsenceEventKind.BEGAN:
            return {"absences": 1}
        case AbsenceEventKind.RETURNED:
            counts = {"returned": 1, f"{BACK}{bucket(event.lasted)}": 1}
            return counts | {"returned_from_gone": 1} if event.was_gone else counts
        case AbsenceEventKind.GONE:
            return {"gone": 1}
        case AbsenceEventKind.FORGOTTEN | AbsenceEventKind.MOVED_FROM:
            return {"absences": -1, "gone": -1} if event.was_gone else {"absences": -1}
        case AbsenceEventKind.MOVED_TO:
            return {"absences": 1, "gone": 1} if event.was_gone else {"absences": 1}
        case AbsenceEventKind.POSTPONED:
            return {}


class Correction(msgspec.Struct, frozen=True):
    """What is to be added to one count, so that it follows a history that was set right.

    `scope` is ALL or one of a business or a partner; `business_id` is "" where it is none of a business.
    """

    scope: str
    business_id: str
    name: str
    by: int


def corrections(stored: Iterable[Record], replayed: Iterable[Record]) -> list[Correction]:
    """Compare what two histories of a review add to the counts. Each is given by the record after each change."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for history, sign in ((stored, -1), (replayed, 1)):
        for event in absence_events_of(history):
            for scope, business_id in _scopes(event):
                for name, by in _counts(event).items():
                    counts[scope, business_id, name] += sign * by
    return [Correction(*key, by) for key, by in counts.items() if by]


def _scopes(event: AbsenceEvent) -> Iterator[tuple[str, str]]:
    yield ALL, ""
    if event.partner:
        yield partner_scope(event.partner), ""
    if event.business_id:
        yield business_scope(event.business_id), event.business_id


class _Missing(msgspec.Struct, frozen=True):
    """What a check needs of a record."""

    status: Status
    missing_since: int | None = None


_MISSING = msgspec.json.Decoder(_Missing)


async def put_checks(store: Store, now: int, grace: int) -> int:
    """Put checks of up to CHECKS_AT_A_TIME absences whose grace was over at `now` into their reviews' inboxes.

    Returns how many absences seemed due. Raises StorageUnavailableError; those that were put then are not put
    again.
    """
    due = await store.redis.zrangebyscore(
        keys.ABSENCES, "-inf", now - grace, start=0, num=CHECKS_AT_A_TIME, withscores=True
    )
    if not due:
        return 0
    records = await store.redis.mget([keys.record(int(review_id)) for review_id, _ in due])
    parts: list[str | bytes] = []
    for (review_id, score), record in zip(due, records, strict=True):
        parts += [review_id, b"%d" % score, _check(record, int(score), now)]
    args = [keys.REVIEW_PREFIX, keys.INBOX_SUFFIX, now, pack(parts)]
    await store.check(keys=[keys.ABSENCES, keys.WAITING, keys.DUE], args=args)
    return len(due)


def _check(record: bytes | None, counts_from: int, now: int) -> bytes:
    """Write the check of an absence as an inbox entry, empty where none goes on."""
    if record is None:
        return b""
    try:
        missing = _MISSING.decode(decompress(record))
    except UNDECODABLE:
        # Not to be judged here: the drain says what is wrong with this record.
        missing = _Missing(Status.MISSING, counts_from)
    if missing.status is not Status.MISSING or missing.missing_since is None:
        return b""
    return encode_entry(make_check(Check(missing.missing_since, counts_from), now, secrets.randbits(48)))


async def counts(store: Store, scopes: Sequence[str]) -> list[Counts]:
    """Read the counts of scopes (`incidents.business_scope`, `incidents.partner_scope`, or ALL)."""
    async with store.redis.pipeline(transaction=True) as pipe:
        for scope in scopes:
            pipe.hgetall(keys.STATS_PREFIX + scope)
        return [_decode(found) for found in await pipe.execute()]


async def overview(store: Store, limit: int) -> Overview:
    """Read the counts of all, of each partner and of up to `limit` businesses."""
    async with store.redis.pipeline(transaction=True) as pipe:
        pipe.smembers(keys.PARTNERS)
        pipe.zrange(keys.ABSENT_BUSINESSES, 0, limit - 1, desc=True)
        partners, businesses = ([name.decode() for name in names] for names in await pipe.execute())
    partners = sorted(partner for partner in partners if partner)
    scopes = [ALL, *map(partner_scope, partners), *map(business_scope, businesses)]
    overall, *rest = await counts(store, scopes)
    return Overview(
        overall,
        {name: found for name, found in zip(partners, rest, strict=False) if found.absences},
        {name: found for name, found in zip(businesses, rest[len(partners) :], strict=True) if found.absences},
    )


def _decode(found: Mapping[bytes, bytes]) -> Counts:
    numbers = {name.decode(): int(number) for name, number in found.items()}
    names = ("absences", "returned", "returned_from_gone", "gone")
    return Counts(**{name: numbers.get(name, 0) for name in names}, back=back_histogram(numbers))


def back_histogram(numbers: Mapping[str, int]) -> dict[int, int]:
    """Pick the histogram of returns out of the fields of a hash of counts."""
    return {int(name.removeprefix(BACK)): count for name, count in numbers.items() if name.startswith(BACK)}
