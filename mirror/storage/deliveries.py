"""Raw deliveries that were applied lately, kept for replay."""

from collections.abc import AsyncIterator

from mirror.storage import keys
from mirror.storage.store import Store

SCAN_STEP = 1_000


async def reviews(store: Store) -> AsyncIterator[tuple[list[int], int]]:
    """Find the reviews that have kept deliveries, in no order, each perhaps more than once.

    Gives them in small lists, each with how many keys have been looked at. Raises one of `connection.UNAVAILABLE`.
    """
    cursor, looked_at = 0, 0
    pattern = f"{keys.REVIEW_PREFIX}*{keys.DELIVERIES_SUFFIX}"
    while True:
        cursor, names = await store.redis.scan(cursor, match=pattern, count=SCAN_STEP)
        looked_at += SCAN_STEP
        yield [keys.review_of(name.decode()) for name in names], looked_at
        if cursor == 0:
            return
