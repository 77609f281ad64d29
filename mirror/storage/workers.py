"""Which workers are alive: each writes a heartbeat, every web process reads them. The time is Redis's."""

import msgspec

from mirror.storage import keys
from mirror.storage.server import in_ms
from mirror.storage.store import Store


class Heartbeats(msgspec.Struct, frozen=True):
    """The workers alive, and when the newest heartbeat was (ms since 1970 UTC; None: no worker in the last day).

    `age_ms`: how long ago that was.
    """

    alive: list[str]
    last_at: int | None
    age_ms: int | None


async def beat(store: Store, worker: str) -> None:
    """Write a worker's heartbeat."""
    now = in_ms(await store.redis.time())
    async with store.redis.pipeline(transaction=False) as pipe:
        pipe.zadd(keys.WORKERS, {worker: now})
        pipe.zremrangebyscore(keys.WORKERS, "-inf", now - keys.WORKER_FORGOTTEN_MS)
        await pipe.execute()


async def leave(store: Store, worker: str) -> None:
    """Take a worker off the list when it stops."""
    await store.redis.zrem(keys.WORKERS, worker)


async def heartbeats(store: Store) -> Heartbeats:
    """Read the heartbeats."""
    async with store.redis.pipeline(transaction=False) as pipe:
        pipe.zrange(keys.WORKERS, 0, -1, desc=True, withscores=True)
        pipe.time()
        seen, time = await pipe.execute()
    now = in_ms(time)
    alive = [name.decode(errors="replace") for name, at in seen if at >= now - keys.WORKER_ALIVE_MS]
    last_at = int(seen[0][1]) if seen else None
    return Heartbeats(alive, last_at, None if last_at is None else max(0, now - last_at))
