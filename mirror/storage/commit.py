"""The commit: what was decided about a review's deliveries becomes its state, in one compare-and-set."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from mirror.domain.inbox import Settled
from mirror.domain.record import Record
from mirror.domain.review import text_field
from mirror.storage import keys
from mirror.storage.histogram import bucket
from mirror.storage.store import Store

_ENCODE = msgspec.json.Encoder().encode


class Commit(msgspec.Struct, frozen=True):
    """What to write for one review: the outcome of the first `count` entries of its inbox, and which these were."""

    review_id: int
    first_delivery: str
    last_delivery: str
    count: int
    settled: Settled


async def commit(store: Store, commits: Sequence[Commit], now: int) -> list[bool | Exception]:
    """Write each commit in a step of its own, all in one round trip; `now` is in milliseconds since 1970 UTC.

    Gives for each: True when it was written; False when the inbox did not begin with these deliveries any more, most
    likely because another worker was faster; or the error that Redis answered. Raises one of `connection.UNAVAILABLE`
    when the connection fails; then each may or may not have been written, and writing it again is harmless.
    """
    async with store.redis.pipeline(transaction=False) as pipe:
        for one in commits:
            await store.commit(keys=_keys(one), args=_args(one, now), client=pipe)
        answers = await pipe.execute(raise_on_error=False)
    return [answer if isinstance(answer, Exception) else bool(answer) for answer in answers]


def _keys(one: Commit) -> list[str]:
    before, after = one.settled.before, one.settled.record
    return [
        keys.record(one.review_id),
        keys.inbox(one.review_id),
        keys.changes(one.review_id),
        keys.WAITING,
        keys.DUE,
        keys.FEED,
        keys.COUNTERS,
        keys.DEAD_LETTERS,
        keys.PARTNERS,
        _index(before),
        _index(after),
        _business(before),
        _business(after),
    ]


def _index(record: Record | None) -> str:
    return "" if record is None else keys.index(record.status, text_field(record.review, "partner"))


def _business(record: Record | None) -> str:
    business_id = "" if record is None else text_field(record.review, "business_id")
    return keys.business(business_id) if business_id else ""


def _args(one: Commit, now: int) -> list[Any]:
    settled = one.settled
    partner = "" if settled.record is None else text_field(settled.record.review, "partner")
    args: list[Any] = [
        one.review_id,
        one.first_delivery,
        one.last_delivery,
        one.count,
        b"" if settled.record is None else _ENCODE(settled.record),
        keys.member(one.review_id),
        partner,
        keys.FEED_LENGTH,
        len(settled.changes),
    ]
    for change in settled.changes:
        args += [_ENCODE(change), change.version, change.kind, change.delivery_id]
    args.append(len(settled.dead_letters))
    for letter in settled.dead_letters:
        args += [letter.delivery_id, _ENCODE(letter)]
    for name, count in _counts(settled, now).items():
        args += [name, count]
    return args


def _counts(settled: Settled, now: int) -> Counter[str]:
    counts = Counter(f"decisions:{decision.outcome}" for decision in settled.decisions)
    for decision in settled.decisions:
        waited = max(0, now - decision.delivery.received_at) / 1000
        counts[bucket("apply_seconds", waited)] += 1
        counts["apply_seconds:sum_ms"] += round(waited * 1000)
        if decision.change is not None and decision.change.ambiguous:
            counts["ambiguous"] += 1
    if settled.dead_letters:
        counts["dead_letters:worker"] += len(settled.dead_letters)
    return counts
