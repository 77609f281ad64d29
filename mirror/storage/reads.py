"""Reading the mirror: one review, its history, and lists of reviews."""

from collections.abc import Sequence

import msgspec

from mirror.domain.changes import Change
from mirror.domain.lifecycle import Status
from mirror.domain.record import Record
from mirror.domain.review import text_field
from mirror.storage import keys
from mirror.storage.store import Store

_RECORD = msgspec.json.Decoder(Record)
_CHANGE = msgspec.json.Decoder(Change)

# How many records one page may look at where the filters hide most of them, and how many at a time.
MAX_SCANNED = 2_000
SCAN_STEP = 200


class Query(msgspec.Struct, frozen=True):
    """Which reviews to list: None does not filter. `after` is the id that the last page ended with."""

    limit: int
    business_id: str | None = None
    status: Status | None = None
    partner: str | None = None
    after: int = -1


class Page(msgspec.Struct, frozen=True):
    """Reviews in the order of their ids; `after` continues behind this page, None when nothing is left."""

    records: list[Record]
    after: int | None


def decode_record(data: bytes) -> Record:
    """Read a stored record. Raises msgspec.DecodeError if these are not the bytes of one."""
    record = _RECORD.decode(data)
    # The first release wrote what schema 1 is, and did not say so.
    return record if record.schema else msgspec.structs.replace(record, schema=1)


async def record(store: Store, review_id: int) -> Record | None:
    """Read one review. Raises one of `connection.UNAVAILABLE`."""
    data = await store.redis.get(keys.record(review_id))
    return None if data is None else decode_record(data)


async def record_and_changes(store: Store, review_id: int) -> tuple[Record, list[Change]] | None:
    """Read a review with its whole history, the oldest change first. Raises one of `connection.UNAVAILABLE`."""
    async with store.redis.pipeline(transaction=True) as pipe:
        pipe.get(keys.record(review_id))
        pipe.lrange(keys.changes(review_id), 0, -1)
        data, entries = await pipe.execute()
    return None if data is None else (decode_record(data), [_CHANGE.decode(entry) for entry in entries])


async def changes_page(store: Store, review_id: int, before: int | None, limit: int) -> list[Change]:
    """Read up to `limit` changes with versions below `before` (None: all), the oldest first.

    Raises one of `connection.UNAVAILABLE`.
    """
    last = -1 if before is None else before - 2
    if before is not None and last < 0:
        return []
    first = -limit if before is None else max(0, last - limit + 1)
    entries = await store.redis.execute_command("LRANGE", keys.changes(review_id), first, last)
    return [_CHANGE.decode(entry) for entry in entries]


async def counts_by_status_and_partner(store: Store) -> dict[tuple[str, str], int]:
    """Count the reviews mirrored. Raises one of `connection.UNAVAILABLE`."""
    pairs = [(status, partner) for status in Status for partner in await _partners(store)]
    async with store.redis.pipeline(transaction=False) as pipe:
        for status, partner in pairs:
            pipe.zcard(keys.index(status, partner))
        counts = await pipe.execute()
    return {(str(status), partner): count for (status, partner), count in zip(pairs, counts, strict=True)}


async def page(store: Store, query: Query) -> Page:
    """List reviews in the order of their ids. Raises one of `connection.UNAVAILABLE`.

    A page holds fewer than `limit` reviews where filters hide many, yet `after` tells whether more may follow. A review
    that exists during the whole listing is listed exactly once, however it changes meanwhile.
    """
    indexes = await _indexes(store, query)
    found: list[Record] = []
    after, scanned = query.after, 0
    while len(found) < query.limit and scanned < MAX_SCANNED:
        ids = await _next_ids(store, indexes, after, SCAN_STEP)
        if not ids:
            return Page(found, None)
        scanned += len(ids)
        for review_id, one in zip(ids, await records(store, ids), strict=True):
            if len(found) == query.limit:
                break
            after = review_id
            if one is not None and _matches(one, query):
                found.append(one)
    return Page(found, after if await _next_ids(store, indexes, after, 1) else None)


async def _partners(store: Store) -> list[str]:
    return sorted(name.decode() for name in await store.redis.execute_command("SMEMBERS", keys.PARTNERS))


async def _indexes(store: Store, query: Query) -> list[str]:
    """Choose the indexes that together hold every review the query may match."""
    if query.business_id is not None:
        return [keys.business(query.business_id)]
    partners = await _partners(store) if query.partner is None else [query.partner]
    statuses = list(Status) if query.status is None else [query.status]
    return [keys.index(status, partner) for status in statuses for partner in partners]


async def _next_ids(store: Store, indexes: Sequence[str], after: int, limit: int) -> list[int]:
    lowest = f"({keys.member(after)}" if after >= 0 else "-"
    # One transaction: a review that changes its status moves between indexes and must not slip through.
    async with store.redis.pipeline(transaction=True) as pipe:
        for index in indexes:
            pipe.zrangebylex(index, lowest, "+", 0, limit)
        found = await pipe.execute()
    return sorted({int(member) for members in found for member in members})[:limit]


async def records(store: Store, ids: Sequence[int]) -> list[Record | None]:
    """Read several reviews, None for each that is not mirrored. Raises one of `connection.UNAVAILABLE`."""
    if not ids:
        return []
    found = await store.redis.mget([keys.record(review_id) for review_id in ids])
    return [None if data is None else decode_record(data) for data in found]


def _matches(record: Record, query: Query) -> bool:
    review = record.review
    return (
        (query.status is None or record.status is query.status)
        and (query.partner is None or text_field(review, "partner") == query.partner)
        and (query.business_id is None or text_field(review, "business_id") == query.business_id)
    )
