"""The rate limit of Partoo's API, kept by the whole fleet together.

300 requests a minute per organization, past it 429 with Retry-After (developers.partoo.co, guides/api). Other programs
of the same organization ask too, so the default of PARTOO_API_RATE leaves them a fifth.
"""

import asyncio

from mirror.storage import key_refusal, keys
from mirror.storage.store import Store

MINUTE_MS = 60_000
# How many requests may follow one another at once before the rate is kept.
BURST = 10
_LONGEST_SLEEP_MS = 5_000


class Limiter:
    """`rate`: requests a minute."""

    def __init__(self, store: Store, rate: int) -> None:
        self._store = store
        self._interval_ms = max(1, round(MINUTE_MS / rate))

    async def wait_for_turn(self) -> int:
        """Return when one request may be sent, with Redis's time then, in ms since 1970 UTC."""
        args = [self._interval_ms, BURST * self._interval_ms]
        while True:
            wait = int(await self._store.book_request(keys=[keys.API_BUCKET, keys.API_PAUSE], args=args))
            if wait < 0:
                await asyncio.sleep(min(-wait, _LONGEST_SLEEP_MS) / 1000)
                continue
            await asyncio.sleep(wait / 1000)
            # Partoo may have asked for a pause while this request waited for its turn.
            if not wait or not await self._store.redis.execute_command("EXISTS", keys.API_PAUSE):
                return await self._store.now()

    async def refused(self) -> None:
        """Tell the fleet that Partoo refuses the key."""
        await key_refusal.note(self._store)

    async def taken(self) -> None:
        """Tell the fleet that Partoo takes the key."""
        await key_refusal.clear(self._store)

    async def pause(self, seconds: float) -> None:
        """Have the whole fleet send nothing for so long, or longer if it pauses already."""
        ms = max(1, round(seconds * 1000))
        if await self._store.redis.pttl(keys.API_PAUSE) < ms:
            await self._store.redis.execute_command("SET", keys.API_PAUSE, 1, "PX", ms)
