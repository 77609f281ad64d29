"""What the Redis server says of itself, and what of it would endanger the mirror."""

from typing import Any

import msgspec

from mirror.storage.store import Store

MINIMUM_VERSION = (6, 2)
# Near its limit Redis refuses larger writes first.
FULL_SHARE = 0.98
# From here on memory is scarce: workers keep no more raw deliveries. The service refuses new ones somewhat later.
SCARCE_SHARE = 0.85


class Memory(msgspec.Struct, frozen=True):
    """Bytes that count towards the limit, and the limit; 0 means none."""

    used: int
    limit: int

    @property
    def share(self) -> float:
        """Tell how much of the limit is used, from 0 to 1; 0 where there is none."""
        return self.used / self.limit if self.limit else 0.0


class Server(msgspec.Struct, frozen=True):
    """Facts from INFO. A limit of 0 means none; None means the server does not tell."""

    version: str
    eviction_policy: str | None
    append_only_file: bool
    used_memory: int
    max_memory: int
    max_clients: int | None
    connected_clients: int


class Finding(msgspec.Struct, frozen=True):
    """Something to mend: `problem` says what is wrong, `remedy` what to do."""

    problem: str
    remedy: str


async def inspect(store: Store) -> Server:
    """Ask the server about itself. Raises one of `connection.UNAVAILABLE`."""
    info: dict[str, Any] = await store.redis.info()
    return Server(
        version=str(info.get("redis_version", "unknown")),
        eviction_policy=info.get("maxmemory_policy"),
        append_only_file=bool(info.get("aof_enabled")),
        used_memory=int(info.get("used_memory", 0)),
        max_memory=int(info.get("maxmemory", 0)),
        max_clients=info.get("maxclients"),
        connected_clients=int(info.get("connected_clients", 0)),
    )


async def memory(store: Store) -> Memory:
    """Ask the server how full it is. Raises one of `connection.UNAVAILABLE`."""
    info: dict[str, Any] = await store.redis.info("memory")
    # What the server keeps for its append-only file and its replicas it does not hold against the limit.
    uncounted = int(info.get("mem_not_counted_for_evict", 0))
    return Memory(max(0, int(info.get("used_memory", 0)) - uncounted), int(info.get("maxmemory", 0)))


def eviction_finding(server: Server) -> Finding | None:
    if server.eviction_policy in (None, "noeviction"):
        return None
    return Finding(
        f"Redis may evict keys (maxmemory-policy is {server.eviction_policy}): accepted deliveries could be lost",
        "set maxmemory-policy to noeviction (on Heroku: heroku redis:maxmemory --policy noeviction)",
    )


def memory_finding(server: Server) -> Finding | None:
    if not server.max_memory or server.used_memory < FULL_SHARE * server.max_memory:
        return None
    return Finding(
        f"Redis is full ({server.used_memory >> 20} of {server.max_memory >> 20} MiB): it stores no deliveries, and "
        "workers get on with what waits, but slowly",
        "raise maxmemory or take a larger plan; what was accepted is kept, and all goes on by itself",
    )


def persistence_finding(server: Server) -> Finding | None:
    if server.append_only_file:
        return None
    return Finding(
        "Redis keeps no append-only file: a restart of it would lose accepted deliveries",
        "set appendonly to yes, or take a plan with persistence (on Heroku: premium-0 or higher)",
    )
