"""Reading the mirror: one review, its history, and lists of reviews."""

from collections.abc import Sequence

import msgspec

from mirror.domain.changes import Certainty, Change
from mirror.domain.lifecycle import Status
from mirror.domain.record import CorruptError, Record
from mirror.domain.review import text_field
from mirror.storage import histories, keys
from mirror.storage.decoding import decode_changes, decode_record, reading
from mirror.storage.store import Store

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
    certainty: Certainty | None = None


class Page(msgspec.Struct, frozen=True):
    """Reviews in the order of their ids; `after` continues behind this page, None when nothing is left.

    `corrupt` says which reviews of those looked at cannot be read, whether the query matches them or not.
    """

    records: list[Record]
    after: int | None
    corrupt: list[CorruptError]


async def record(store: Store, review_id: int) -> Record | None:
    """Read one review. Raises CorruptError."""
    with reading(review_id):
        data = await store.redis.get(keys.record(review_id))
        return None if data is None else decode_record(review_id, data)


async def record_and_changes(store: Store, review_id: int) -> tuple[Record, list[Change]] | None:
    """Read a review with its whole history, the oldest change first: for what shows all of it.

    Raises CorruptError.
    """
    found = await histories.walk(store, review_id, histories.Collector)
    return None if found is None else (found[0], found[1].changes)


async def changes_page(store: Store, review_id: int, before: int | None, limit: int) -> list[Change]:
    """Read up to `limit` changes with versions below `before` (None: all), the oldest first.

    Raises CorruptError.
    """
    name = keys.changes(review_id)
    with reading(review_id):
        if before is None:
            return _changes(review_id, await store.redis.execute_command("LRANGE", name, -limit, -1), None)
        async with store.redis.pipeline(transaction=True) as pipe:
            pipe.lindex(name, 0)
            pipe.llen(name)
            oldest, length = await pipe.execute()
        begins = _changes(review_id, [] if oldest is None else [oldest], 1)
        # Behind the end comes the newest.
        last = min(before - 1 - begins[0].version, length - 1) if begins else -1
        if last < 0:
            return []
        first = max(0, last - limit + 1)
        async with store.redis.pipeline(transaction=True) as pipe:
            pipe.lindex(name, 0)
            pipe.lrange(name, first, last)
            still, entries = await pipe.execute()
        if still == oldest:
            return _changes(review_id, entries, begins[0].version + first)
    # Trimmed, rebuilt or forgotten at this very moment: the places are others now.
    return await changes_page(store, review_id, before, limit)


def _changes(review_id: int, entries: Sequence[bytes], first: int | None) -> list[Change]:
    """Read a piece of a history, which begins with version `first` where that is known: a page's cursor rests on it.

    Where its beginning was trimmed, a history begins with another version than 1.
    """
    changes = decode_changes(review_id, entries)
    known = first is not None and not (changes and changes[0].trimmed is not None)
    start = first if known or not changes else changes[0].version
    if any(change.version != version for version, change in enumerate(changes, start or 1)):
        raise CorruptError(review_id, "its history is out of order")
    return changes


async def counts_by_status_and_partner(store: Store) -> dict[tuple[str, str], int]:
    """Count the reviews mirrored."""
    pairs = [(status, partner) for status in Status for partner in await known_partners(store)]
    async with store.redis.pipeline(transaction=False) as pipe:
        for status, partner in pairs:
            pipe.zcard(keys.index(status, partner))
        counts = await pipe.execute()
    return {(str(status), partner): count for (status, partner), count in zip(pairs, counts, strict=True)}


async def counts_of_uncertain(store: Store) -> dict[str, int]:
    """Count the reviews that are not proven, by their certainty."""
    kinds = [certainty for certainty in Certainty if certainty is not Certainty.PROVEN]
    async with store.redis.pipeline(transaction=False) as pipe:
        for certainty in kinds:
            pipe.zcard(keys.certainty(certainty))
        return {str(certainty): count for certainty, count in zip(kinds, await pipe.execute(), strict=True)}


async def page(store: Store, query: Query) -> Page:
    """List reviews in the order of their ids.

    A page holds fewer than `limit` reviews where filters hide many, yet `after` tells whether more may follow. A review
    that exists during the whole listing is listed exactly once, however it changes meanwhile.
    """
    indexes = await _indexes(store, query)
    found: list[Record] = []
    corrupt: list[CorruptError] = []
    after, scanned = query.after, 0
    while len(found) < query.limit and scanned < MAX_SCANNED:
        # Most often the filters hide nothing, and no more are needed than are asked for.
        ids = await _next_ids(store, indexes, after, SCAN_STEP if scanned else min(SCAN_STEP, query.limit))
        if not ids:
            return Page(found, None, corrupt)
        scanned += len(ids)
        for review_id, one in zip(ids, await records(store, ids), strict=True):
            if len(found) == query.limit:
                break
            after = review_id
            if isinstance(one, CorruptError):
                corrupt.append(one)
            elif one is not None and _matches(one, query):
                found.append(one)
    return Page(found, after if await _next_ids(store, indexes, after, 1) else None, corrupt)


async def known_partners(store: Store) -> list[str]:
    """Name the partners seen so far."""
    return sorted(
        name.decode(errors="replace") for name in await store.redis.execute_command("SMEMBERS", keys.PARTNERS)
    )


async def ids(store: Store, query: Query) -> list[int]:
    """List the next ids, in their order, of the indexes that hold whatever the query may match."""
    return await _next_ids(store, await _indexes(store, query), query.after, query.limit)


async def _indexes(store: Store, query: Query) -> list[str]:
    """Choose the indexes that together hold every review the query may match."""
    if query.business_id is not None:
        return [keys.business(query.business_id)]
    if query.certainty not in (None, Certainty.PROVEN):
        return [keys.certainty(query.certainty)]
    partners = await known_partners(store) if query.partner is None else [query.partner]
    statuses = list(Status) if query.status is None else [query.status]
    return [keys.index(status, partner) for status in statuses for partner in partners]


async def _next_ids(store: Store, indexes: Sequence[str], after: int, limit: int) -> list[int]:
    # From the first to the last that begins with a digit; what else stands there the mirror has not written.
    lowest, highest = f"({keys.member(after)}" if after >= 0 else "[0", "(:"
    # One transaction: a review that changes its status moves between indexes and must not slip through.
    async with store.redis.pipeline(transaction=True) as pipe:
        for index in indexes:
            pipe.zrangebylex(index, lowest, highest, 0, limit)
        found = await pipe.execute()
    ids = {int(member) for members in found for member in members if keys.is_member(member)}
    return sorted(ids)[:limit]


async def records(store: Store, ids: Sequence[int]) -> list[Record | CorruptError | None]:
    """Read several reviews: None for each that is not mirrored, the error for each that cannot be read."""
    if not ids:
        return []
    found = await store.redis.mget([keys.record(review_id) for review_id in ids])
    return [
        None if data is None else _record_or_error(review_id, data) for review_id, data in zip(ids, found, strict=True)
    ]


def _record_or_error(review_id: int, data: bytes) -> Record | CorruptError:
    try:
        return decode_record(review_id, data)
    except CorruptError as error:
        return error


def _matches(record: Record, query: Query) -> bool:
    review = record.review
    return record.forgotten_at is None and (
        (query.status is None or record.status is query.status)
        and (query.partner is None or text_field(review, "partner") == query.partner)
        and (query.business_id is None or text_field(review, "business_id") == query.business_id)
        and (query.certainty is None or record.certainty is query.certainty)
    )
