"""Reading a whole mirror, in pieces, for a file of its own format."""

from collections.abc import AsyncIterator, Sequence

import msgspec

from mirror.domain.lifecycle import Status
from mirror.storage import dead_letters, keys, reads
from mirror.storage.frames import decompress_or_same
from mirror.storage.inbox_entries import plain_entry
from mirror.storage.store import Store
from mirror.transfer.lines import End, Header, Line, count

# Reviews, with their histories, that are read at a time.
STEP = 200
_SCANNED = 1_000


async def everything(store: Store, *, after: int = -1) -> AsyncIterator[Line]:
    """Give the lines of an export of everything; of reviews, those with ids above `after`."""
    total = End()
    async for line in _lines(store, after):
        total = count(total, line)
        yield line
    yield Line(end=msgspec.structs.replace(total, complete=True))


async def _lines(store: Store, after: int) -> AsyncIterator[Line]:
    if after < 0:
        yield Line(header=Header(1))
    async for line in _reviews(store, after):
        yield line
    async for line in _waiting(store):
        yield line
    async for line in _tombstones(store):
        yield line
    for delivery_id in await dead_letters.ids(store):
        letter = await store.redis.execute_command("HGET", keys.DEAD_LETTERS, delivery_id)
        if letter is not None:
            yield Line(dead_letter=delivery_id, letter=msgspec.Raw(letter))
    async for line in _others(store):
        yield line


async def _reviews(store: Store, after: int) -> AsyncIterator[Line]:
    while ids := await reads.ids(store, reads.Query(limit=STEP, after=after)):
        async with store.redis.pipeline(transaction=True) as pipe:
            for review_id in ids:
                pipe.get(keys.record(review_id))
                pipe.lrange(keys.changes(review_id), 0, -1)
                pipe.zscore(keys.ABSENCES, str(review_id))
                pipe.zscore(keys.VERIFY, str(review_id))
            found = await pipe.execute()
        for place, review_id in enumerate(ids):
            record, changes, grace_from, ask_at = found[4 * place : 4 * place + 4]
            if record is not None and changes:
                yield Line(
                    review=review_id,
                    record=_raw(record),
                    changes=[_raw(change) for change in changes],
                    grace_from=None if grace_from is None else int(grace_from),
                    ask_at=None if ask_at is None else int(ask_at),
                )
        after = ids[-1]


def _raw(stored: bytes) -> msgspec.Raw:
    """Write what Redis holds as the JSON it is."""
    return msgspec.Raw(decompress_or_same(stored))


async def _waiting(store: Store) -> AsyncIterator[Line]:
    for member in sorted(await store.redis.zrange(keys.WAITING, 0, -1), key=int):
        waiting = await store.redis.execute_command("LRANGE", keys.inbox(int(member)), 0, -1)
        if waiting:
            yield Line(waiting=int(member), inbox=[plain_entry(entry) for entry in waiting])


async def _tombstones(store: Store) -> AsyncIterator[Line]:
    """Find the records without a history: what was erased stands in no index."""
    found: list[int] = []
    async for name in store.redis.scan_iter(match=f"{keys.REVIEW_PREFIX}*{keys.RECORD_SUFFIX}", count=_SCANNED):
        found.append(keys.review_of(name.decode()))
        if len(found) == _SCANNED:
            for line in await _erased(store, found):
                yield line
            found = []
    for line in await _erased(store, found):
        yield line


async def _erased(store: Store, review_ids: Sequence[int]) -> list[Line]:
    async with store.redis.pipeline(transaction=False) as pipe:
        for review_id in review_ids:
            pipe.exists(keys.changes(review_id))
        known = await pipe.execute()
    erased = [review_id for review_id, has_history in zip(review_ids, known, strict=True) if not has_history]
    records = [await store.redis.get(keys.record(review_id)) for review_id in erased]
    return [
        Line(tombstone=review_id, record=_raw(record))
        for review_id, record in sorted(zip(erased, records, strict=True))
        if record is not None
    ]


async def _others(store: Store) -> AsyncIterator[Line]:
    names = sorted([name.decode() async for name in store.redis.scan_iter(match=f"{keys.STATS_PREFIX}*")])
    scopes = sorted(scope.decode() for scope in await store.redis.execute_command("SMEMBERS", keys.INCIDENTS))
    for name in [*names, *(keys.INCIDENT_PREFIX + scope for scope in scopes)]:
        values = await store.redis.execute_command("HGETALL", name)
        if values:
            yield Line(hash=name, values={key.decode(): values[key].decode() for key in sorted(values)})
    for name in [keys.ABSENT_BUSINESSES, keys.CLOSED_INCIDENTS, *(keys.HELD_PREFIX + scope for scope in scopes)]:
        scores = await store.redis.zrange(name, 0, -1, withscores=True)
        if scores:
            yield Line(set=name, scores={member.decode(): score for member, score in sorted(scores)})


async def size(store: Store) -> int:
    """Count the reviews that an export will hold."""
    async with store.redis.pipeline(transaction=False) as pipe:
        for partner in await reads.known_partners(store):
            for status in Status:
                pipe.zcard(keys.index(status, partner))
        return sum(await pipe.execute())
