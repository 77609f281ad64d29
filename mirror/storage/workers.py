"""Which workers are alive: each writes a heartbeat, every web process reads them. The time is Redis's."""

from collections.abc import Mapping

import msgspec

from mirror.storage import keys
from mirror.storage.server import in_ms
from mirror.storage.store import Store

OVERLAP_MS = 60_000


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
        pipe.hsetnx(keys.WORKERS_STARTED, worker, str(now))
        pipe.zremrangebyscore(keys.WORKERS, "-inf", now - keys.WORKER_FORGOTTEN_MS)
        *_, forgotten = await pipe.execute()
    if forgotten:
        await _forget(store)


async def _forget(store: Store) -> None:
    known = {name.decode(errors="replace") for name in await store.redis.zrange(keys.WORKERS, 0, -1)}
    for name in await store.redis.execute_command("HKEYS", keys.WORKERS_STARTED):
        if name.decode(errors="replace") not in known:
            await store.redis.execute_command("HDEL", keys.WORKERS_STARTED, name)


async def leave(store: Store, worker: str) -> None:
    """Take a worker off the list when it stops."""
    async with store.redis.pipeline(transaction=False) as pipe:
        pipe.zrem(keys.WORKERS, worker)
        pipe.hdel(keys.WORKERS_STARTED, worker)
        await pipe.execute()


class Life(msgspec.Struct, frozen=True):
    """A worker's first and last heartbeat, in ms since 1970 UTC."""

    first_beat: int
    last_beat: int

    def is_alive(self, now: int) -> bool:
        return self.last_beat >= now - keys.WORKER_ALIVE_MS


async def fleet(store: Store) -> dict[str, Life]:
    """Read the lives of all workers that did not leave, those of the last day. Raises as `heartbeats` does."""
    async with store.redis.pipeline(transaction=False) as pipe:
        pipe.zrange(keys.WORKERS, 0, -1, withscores=True)
        pipe.hgetall(keys.WORKERS_STARTED)
        beats, started = await pipe.execute()
    return {name.decode(errors="replace"): Life(int(started.get(name, last)), int(last)) for name, last in beats}


def lost(lives: Mapping[str, Life], now: int) -> list[str]:
    """Name the workers that died and that no other has replaced: one that began when it died, or later.

    Where a release overlaps, the new one may have begun OVERLAP_MS before.
    """
    newcomers = sorted(life.first_beat for life in lives.values() if life.is_alive(now))
    dead = sorted((life.last_beat, name) for name, life in lives.items() if not life.is_alive(now))
    names = []
    for last_beat, name in reversed(dead):
        if newcomers and newcomers[-1] >= last_beat - OVERLAP_MS:
            newcomers.pop()
        else:
            names.append(name)
    return names


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
