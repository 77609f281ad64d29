"""Trimming the beginnings of histories in Redis."""

import msgspec

from mirror.domain.changes import Change
from mirror.domain.trimming import cut
from mirror.storage import keys, reads
from mirror.storage.store import Store

_CHANGE = msgspec.json.Decoder(Change)
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
    return [
        keys.review_of(name.decode())
        for name, second in zip(names, seconds, strict=True)
        if second is not None and _is_older(second, horizon)
    ], cursor


def _is_older(entry: bytes | Exception, horizon: int) -> bool:
    """Tell whether an entry is older; one that cannot be read counts as such, as `trim` says what is wrong with it."""
    try:
        return isinstance(entry, Exception) or _CHANGE.decode(entry).received_at < horizon
    except msgspec.DecodeError:
        return True


async def trim(store: Store, review_id: int, horizon: int) -> int:
    """Trim a review's history, and tell how many of its entries went.

    Raises msgspec.DecodeError if what is stored of it cannot be read, ResponseError if a key holds a value of
    another type, or one of `connection.UNAVAILABLE`.
    """
    async with store.redis.pipeline(transaction=True) as pipe:
        pipe.get(keys.record(review_id))
        pipe.lrange(keys.changes(review_id), 0, -1)
        data, entries = await pipe.execute()
    if data is None:
        return 0
    found = cut(reads.decode_record(data), [_CHANGE.decode(entry) for entry in entries], horizon)
    if found is None:
        return 0
    args = [entries[0], found.at, entries[found.at], msgspec.json.encode(found.marker)]
    return found.at if await store.trim(keys=[keys.changes(review_id)], args=args) else 0
