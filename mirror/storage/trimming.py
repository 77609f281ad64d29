"""Trimming the beginnings of histories in Redis."""

import msgspec

from mirror.domain.record import CorruptError
from mirror.domain.trimming import cut
from mirror.storage import keys
from mirror.storage.decoding import decode_changes, decode_record, reading
from mirror.storage.store import Store

SCAN_STEP = 500


async def candidates(store: Store, cursor: int, horizon: int) -> tuple[list[int], int]:
    """Find, from a cursor on, reviews of whose history more than one entry is older than `horizon`.

    Gives them with the next cursor, which is 0 at the end. Raises one of `connection.UNAVAILABLE`.
    """
    pattern = f"{keys.REVIEW_PREFIX}*{keys.CHANGES_SUFFIX}"
    cursor, names = await store.redis.scan(cursor, match=pattern, count=SCAN_STEP)
    async with store.redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.lindex(name, 1)
        seconds = await pipe.execute(raise_on_error=False)
    ids = [keys.review_of(name.decode()) for name in names]
    return [
        one for one, second in zip(ids, seconds, strict=True) if second is not None and _is_older(one, second, horizon)
    ], cursor


def _is_older(review_id: int, entry: bytes | Exception, horizon: int) -> bool:
    """Tell whether an entry is older; one that cannot be read counts as such, as `trim` says what is wrong with it."""
    try:
        return isinstance(entry, Exception) or decode_changes(review_id, [entry])[0].received_at < horizon
    except CorruptError:
        return True


async def trim(store: Store, review_id: int, horizon: int) -> int:
    """Trim a review's history, and tell how many of its entries went.

    Raises CorruptError if what is stored of it cannot be read, or one of `connection.UNAVAILABLE`.
    """
    with reading(review_id):
        async with store.redis.pipeline(transaction=True) as pipe:
            pipe.get(keys.record(review_id))
            pipe.lrange(keys.changes(review_id), 0, -1)
            data, entries = await pipe.execute()
    if data is None:
        return 0
    found = cut(decode_record(review_id, data), decode_changes(review_id, entries), horizon)
    if found is None:
        return 0
    args = [entries[0], found.at, entries[found.at], msgspec.json.encode(found.marker)]
    return found.at if await store.trim(keys=[keys.changes(review_id)], args=args) else 0
