"""The fleet's rate of requests to Partoo, and the pauses that Partoo asks for."""

import asyncio
import time

from mirror.partoo.limiter import BURST, Limiter
from mirror.storage import keys
from mirror.storage.store import Store

# A request each 200 ms.
RATE = 300


async def test_the_fleet_keeps_to_one_rate(store: Store) -> None:
    waits = [
        float(await store.book_request(keys=[keys.API_BUCKET, keys.API_PAUSE], args=[200, 1000])) for _ in range(20)
    ]
    # Five may run ahead; from then on each waits 200 ms longer than the one before, less the time that has passed.
    assert waits[:5] == [0] * 5
    assert 2_000 < waits[-1] <= 2_800
    assert waits[6:] == sorted(waits[6:])


async def test_a_shorter_pause_does_not_end_a_longer_one(store: Store) -> None:
    limiter = Limiter(store, 60)
    await limiter.pause(60)
    await limiter.pause(10)
    assert await store.redis.pttl(keys.API_PAUSE) > 50_000


async def test_a_pause_holds_back_also_what_has_its_turn_already(store: Store) -> None:
    limiter = Limiter(store, RATE)
    for _ in range(BURST + 1):
        await limiter.wait_for_turn()
    waiting = [asyncio.create_task(limiter.wait_for_turn()) for _ in range(2)]
    await asyncio.sleep(0.05)
    paused = time.monotonic()
    await limiter.pause(0.8)
    await asyncio.gather(*waiting)
    assert time.monotonic() - paused >= 0.79
