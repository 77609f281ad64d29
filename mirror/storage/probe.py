"""The probe of writes: a Redis that answers may still refuse what a delivery needs, and nothing else would tell.

After a failed save, with too few replicas, for a user without rights, in cluster mode or on a replica, Redis answers
reads as ever. So what a delivery needs is tried, on keys of the probe's own.
"""

import asyncio
import math
import secrets
import time
from contextlib import suppress
from typing import Any

import structlog
from redis.asyncio import SSLConnection
from redis.asyncio.sentinel import SentinelManagedConnection

from mirror.stopping import cancel_and_wait
from mirror.storage import keys
from mirror.storage.durability import NotDurableError
from mirror.storage.errors import CommandRefusedError, StorageUnavailableError
from mirror.storage.refusals import NO_ANSWER, own_words, refusal
from mirror.storage.server import Finding, is_replica
from mirror.storage.store import Store

INTERVAL_S = 3.0
# Whoever asks waits no longer than this; the attempt itself goes on, as cancelling it would cost its connection.
DEADLINE_S = 1.5

NOT_DURABLE_REMEDY = (
    "bring its replicas or its disk back; until then deliveries get a 503 and come again. To acknowledge without them, "
    "lower REDIS_WAIT_REPLICAS or set REDIS_WAIT_DISK=off"
)

# For what a server says of itself to whoever connects.
GREETING_S = 0.5

log = structlog.get_logger()


async def try_writing(store: Store) -> Finding | None:
    """Try what a delivery needs; returns what stands in its way, None if nothing does."""
    name = f"{keys.PROBE_PREFIX}{secrets.token_hex(4)}"
    try:
        key_names = [name, f"{name}:list", keys.WAITING, keys.DUE, keys.ARQ_QUEUE]
        await store.run_durably(store.probe, key_names, [keys.PROBE_TTL_MS])
        replica = await is_replica(store)
    except NotDurableError as error:
        return Finding(f"Redis holds what it is given, but {error}", NOT_DURABLE_REMEDY)
    except StorageUnavailableError as error:
        return await explain(store, error)
    if not replica:
        return None
    return Finding(
        "Redis is a writable replica (role:slave): what is stored here is lost when it next follows its primary",
        "set REDIS_URL to the primary, or promote this one (REPLICAOF NO ONE)",
    )


async def explain(store: Store, error: BaseException) -> Finding:
    """Say what Redis refuses, or that it does not answer; `error`, StorageUnavailableError, came of a command.

    At its limit of clients Redis answers a connection before anything is sent, and closes it: a client that sends
    something first may learn only that the connection is broken. So one is made that only listens.
    """
    if own_words(error) is None:
        greeting = None
        with suppress(OSError, TimeoutError, UnicodeError):
            greeting = await asyncio.wait_for(_greeting(store), GREETING_S)
        if greeting is not None:
            return refusal(CommandRefusedError(greeting))
    return refusal(error)


async def _greeting(store: Store) -> str | None:
    """Return the error by which the server greets a new connection; None where it says nothing, or is hidden."""
    pool = store.redis.connection_pool
    options: dict[str, Any] = pool.connection_kwargs
    if issubclass(pool.connection_class, SSLConnection | SentinelManagedConnection):
        return None
    if "path" in options:
        reader, writer = await asyncio.open_unix_connection(options["path"])
    else:
        reader, writer = await asyncio.open_connection(options.get("host", "localhost"), options.get("port", 6379))
    try:
        line = await reader.readline()
    finally:
        writer.close()
    return line[1:].decode().strip() if line.startswith(b"-") else None


class ProbeLog:
    """Logs what a probe finds, once when it changes. It outlives the connections that are probed."""

    def __init__(self) -> None:
        self._found: Finding | None = None

    def note(self, found: Finding | None) -> None:
        before, self._found = self._found, found
        if found is not None and found != before:
            log.error("redis.failing", reason=found.problem, remedy=found.remedy)
        elif found is None and before is not None:
            log.info("redis.recovered")


class WriteProbe:
    """Probes for one process, at most every INTERVAL_S however many ask."""

    def __init__(self, store: Store, probe_log: ProbeLog) -> None:
        self._store = store
        self._log = probe_log
        self._found: Finding | None = None
        self._looked_at = -math.inf
        self._looking: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Probe until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(INTERVAL_S)

    async def close(self) -> None:
        """End an attempt that is under way."""
        if self._looking is not None:
            await cancel_and_wait(self._looking)

    async def look(self) -> Finding | None:
        """Return what stands in the way of a delivery, as found within the last INTERVAL_S; None if nothing does."""
        if self._looking is None:
            if time.monotonic() - self._looked_at < INTERVAL_S:
                return self._found
            self._looking = asyncio.create_task(self._look())
        done, _ = await asyncio.wait({self._looking}, timeout=DEADLINE_S)
        return self._found if done else Finding(NO_ANSWER, "look whether the server is up and not overloaded")

    async def _look(self) -> None:
        try:
            self._found = await try_writing(self._store)
            self._looked_at = time.monotonic()
            self._log.note(self._found)
        finally:
            self._looking = None
