"""Raw deliveries that were applied lately, kept for replay: finding them, and dropping them where memory is scarce."""

from collections.abc import AsyncIterator, Sequence

from mirror.storage import keys, server
from mirror.storage.store import Store

SCAN_STEP = 1_000
# Reviews whose raw deliveries are dropped between two looks at the memory, and how often in a row.
DROP_STEP = 50
MAX_DROP_STEPS = 20


async def reviews(store: Store) -> AsyncIterator[tuple[list[int], int]]:
    """Find the reviews that have kept deliveries, in no order, each perhaps more than once.

    Gives them in small lists, each with how many keys have been looked at.
    """
    cursor, looked_at = 0, 0
    while True:
        cursor, found = await _scan(store, cursor)
        looked_at += SCAN_STEP
        yield found, looked_at
        if cursor == 0:
            return


async def _scan(store: Store, cursor: int) -> tuple[int, list[int]]:
    pattern = f"{keys.REVIEW_PREFIX}*{keys.DELIVERIES_SUFFIX}"
    cursor, names = await store.redis.scan(cursor, match=pattern, count=SCAN_STEP)
    return cursor, [keys.review_of(name.decode()) for name in names]


class RoomMaker:
    """Drops raw deliveries where memory is scarce: they are optional, and may not keep new deliveries out.

    It takes the reviews to which nothing has happened for longest first, all raw deliveries of a review at once: a
    replay can do nothing with deliveries between which some are missing. Redis allows all that it does at its memory
    limit. Several processes may do it at once.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        # Where it stands among those that an earlier release kept, which are not in `kept`; None: all were seen.
        self._cursor: int | None = 0

    async def make_room(self) -> tuple[server.Memory, int]:
        """Drop raw deliveries while memory is scarce, for a bounded time; return the memory and the reviews."""
        memory, dropped = await server.memory(self._store), 0
        if memory.share < server.SCARCE_SHARE:
            return memory, dropped
        for _ in range(MAX_DROP_STEPS):
            if memory.share < server.ROOM_SHARE:
                break
            review_ids = await self._next()
            if review_ids is None:
                break
            await self._drop(review_ids)
            dropped += len(review_ids)
            memory = await server.memory(self._store)
        return memory, dropped

    async def _next(self) -> Sequence[int] | None:
        """Name reviews whose raw deliveries go next, perhaps none; None where no raw deliveries are left."""
        listed = await self._store.redis.execute_command("ZRANGE", keys.KEPT, 0, DROP_STEP - 1)
        if listed:
            return [int(review_id) for review_id in listed]
        if self._cursor is None:
            return None
        cursor, found = await _scan(self._store, self._cursor)
        self._cursor = cursor or None
        return found

    async def _drop(self, review_ids: Sequence[int]) -> None:
        if not review_ids:
            return
        # No transaction: at its memory limit Redis refuses every command in one.
        async with self._store.redis.pipeline(transaction=False) as pipe:
            pipe.delete(*(keys.deliveries(review_id) for review_id in review_ids))
            pipe.zrem(keys.KEPT, *review_ids)
            await pipe.execute()


async def kept_for(store: Store) -> int:
    """Count the reviews of which raw deliveries are kept."""
    return int(await store.redis.execute_command("ZCARD", keys.KEPT))
