"""What the Redis server says of itself, and what of it would endanger the mirror."""

from typing import Any

import msgspec

from mirror.storage.redis_clock import SKEW_REMEDY, skew_problem
from mirror.storage.store import Store

MINIMUM_VERSION = (6, 2)
# Near its limit Redis refuses larger writes first.
FULL_SHARE = 0.98
# From here on the service refuses new deliveries, until it is below SCARCE_SHARE again.
HIGH_SHARE = 0.90
# From here on memory is scarce: raw deliveries that are kept for replay are dropped until it is below ROOM_SHARE, and
# workers keep no new ones while there are none left to drop.
SCARCE_SHARE = 0.85
ROOM_SHARE = 0.80


class Memory(msgspec.Struct, frozen=True):
    """Bytes that count towards the limit, and the limit; 0 means none."""

    used: int
    limit: int

    @property
    def share(self) -> float:
        """Tell how much of the limit is used, from 0 to 1; 0 where there is none."""
        return self.used / self.limit if self.limit else 0.0

    def __str__(self) -> str:
        return f"{self.used >> 20} of {self.limit >> 20} MiB" if self.limit else f"{self.used >> 20} MiB, no limit"


class Replica(msgspec.Struct, frozen=True):
    """A server that follows this one; `lag_s`: how long ago it was last heard of, in seconds."""

    is_online: bool
    lag_s: int


class Server(msgspec.Struct, frozen=True):
    """Facts from INFO; None means the server does not tell.

    `name` and `version` are the server's own; `redis_version` is the Redis that it is compatible with.
    """

    name: str
    version: str
    redis_version: str
    eviction_policy: str | None
    append_only_file: bool | None
    memory: Memory
    max_clients: int | None
    connected_clients: int
    is_replica: bool
    replicas: tuple[Replica, ...] = ()


class Finding(msgspec.Struct, frozen=True):
    """Something to mend: `problem` says what is wrong, `remedy` what to do."""

    problem: str
    remedy: str


async def inspect(store: Store) -> Server:
    """Ask the server about itself."""
    info: dict[str, Any] = await store.redis.info()
    redis_version = str(info.get("redis_version", "unknown"))
    name = str(info.get("server_name", "redis"))
    return Server(
        name=name.capitalize(),
        version=str(info.get(f"{name}_version", redis_version)),
        redis_version=redis_version,
        eviction_policy=info.get("maxmemory_policy"),
        append_only_file=bool(info["aof_enabled"]) if "aof_enabled" in info else None,
        memory=_memory(info),
        max_clients=info.get("maxclients"),
        connected_clients=int(info.get("connected_clients", 0)),
        is_replica=info.get("role") == "slave",
        replicas=_replicas(info),
    )


def _replicas(info: dict[str, Any]) -> tuple[Replica, ...]:
    told = [info.get(f"slave{number}") for number in range(int(info.get("connected_slaves", 0)))]
    return tuple(Replica(one.get("state") == "online", int(one.get("lag", 0))) for one in told if isinstance(one, dict))


def in_ms(time: tuple[int, int]) -> int:
    """Read Redis's answer to TIME, in milliseconds since 1970 UTC.

    What one process writes and another reads is measured by Redis's clock: those of processes may be wrong.
    """
    seconds, microseconds = time
    return seconds * 1000 + microseconds // 1000


async def memory(store: Store) -> Memory:
    """Ask the server how full it is."""
    return _memory(await store.redis.info("memory"))


async def is_replica(store: Store) -> bool:
    """Ask the server whether it follows another one."""
    info: dict[str, Any] = await store.redis.info("replication")
    return info.get("role") == "slave"


def _memory(info: dict[str, Any]) -> Memory:
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
    if server.memory.share < FULL_SHARE:
        return None
    return Finding(
        f"Redis is full ({server.memory}): it stores no deliveries, and workers get on with what waits, but slowly",
        "raise maxmemory or take a larger plan; what was accepted is kept, and all goes on by itself",
    )


def nearly_full(server: Server) -> Finding:
    """Say what it means that new deliveries are refused."""
    return Finding(
        f"Redis is nearly full ({server.memory}): new deliveries are refused with 503, so that workers can apply what "
        "waits",
        "raise maxmemory or take a larger plan, unless the backlog is what fills it",
    )


def filled(server: Server) -> Finding:
    """Say what it means that new deliveries are refused though none waits."""
    return Finding(
        f"Redis is nearly full ({server.memory}) though nothing waits: from {HIGH_SHARE:.0%} on, and down to "
        f"{SCARCE_SHARE:.0%} again, every new delivery is refused with 503",
        "raise maxmemory or take a larger plan now; docs/scaling.md tells what takes room, and HISTORY_RETENTION makes "
        "histories shorter",
    )


def replica_finding(server: Server) -> Finding | None:
    if not server.is_replica:
        return None
    return Finding(
        "Redis is a replica: what is written to it is refused, or lost when it next follows its primary",
        "set REDIS_URL to the primary, or promote this one (REPLICAOF NO ONE)",
    )


def clock_finding(store: Store) -> Finding | None:
    """Say what is wrong with the clock of this machine, as far as Redis has been asked for the time."""
    problem = skew_problem(store.clock.skew_ms())
    return None if problem is None else Finding(problem, SKEW_REMEDY)


def persistence_finding(server: Server) -> Finding | None:
    if server.append_only_file is not False:
        return None
    return Finding(
        "Redis keeps no append-only file: a restart of it would lose accepted deliveries",
        "set appendonly to yes, or take a plan with persistence (on Heroku: premium-0 or higher)",
    )
