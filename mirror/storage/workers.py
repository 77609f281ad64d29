"""Which workers are alive: each writes a heartbeat, every web process reads them."""

import msgspec

from mirror.clock import now_ms
from mirror.storage import keys
from mirror.storage.store import Store


class Heartbeats(msgspec.Struct, frozen=True):
    """The workers alive, and when the newest heartbeat was (ms since 1970 UTC; None: no worker in the last day)."""

    alive: list[str]
    last_at: int | None


async def beat(store: Store, worker: str) -> None:
    """Write a worker's heartbeat. Raises one of `connection.UNAVAILABLE`."""
    now = now_ms()
    async with store.redis.pipeline(transaction=False) as pipe:
        pipe.zadd(keys.WORKERS, {worker: now})
        pipe.zremrangebyscore(keys.WORKERS, "-inf", now - keys.WORKER_FORGOTTEN_MS)
        await pipe.execute()


async def leave(store: Store, worker: str) -> None:
    """Take a worker off the list when it stops. Raises one of `connection.UNAVAILABLE`."""
    await store.redis.zrem(keys.WORKERS, worker)


async def heartbeats(store: Store) -> Heartbeats:
    """Read the heartbeats. Raises one of `connection.UNAVAILABLE`."""
    alive_since = now_ms() - keys.WORKER_ALIVE_MS
    seen = await store.redis.zrange(keys.WORKERS, 0, -1, desc=True, withscores=True)
    alive = [name.decode(errors="replace") for name, at in seen if at >= alive_since]
    return Heartbeats(alive, int(seen[0][1]) if seen else None)
