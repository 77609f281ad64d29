"""Bodies that Partoo will send again because it got no acknowledgement: workers learn of them through Redis."""

import asyncio
from contextlib import suppress

from mirror.storage import failed_attempts
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.store import Store

# Before the next attempt comes: Partoo backs off exponentially, beginning with about a second.
FLUSH_INTERVAL_S = 0.2
# While Redis is away every delivery fails. What exceeds this number is not remembered.
MAX_KEPT = 10_000


class FailedAttempts:
    """Keeps each body's first attempt until Redis has it; there it is kept for `ttl` milliseconds."""

    def __init__(self, store: Store, ttl: int) -> None:
        self._store = store
        self._ttl = ttl
        self._first_attempts: dict[str, int] = {}

    def add(self, body: bytes, attempted_at: int) -> None:
        """Remember a body that came at this time (ms since 1970 UTC) and was not acknowledged."""
        if len(self._first_attempts) < MAX_KEPT:
            self._first_attempts.setdefault(failed_attempts.digest(body), attempted_at)

    def first_attempt(self, body: bytes) -> int | None:
        """Return when a body was first sent (ms since 1970 UTC), where Redis does not know it yet.

        After an outage the next attempts come as soon as Redis is back, perhaps before `run` has written to it.
        """
        return self._first_attempts.get(failed_attempts.digest(body)) if self._first_attempts else None

    def discard(self, body: bytes) -> None:
        """Drop a body that is stored by now, together with the time that `first_attempt` gave."""
        if self._first_attempts:
            self._first_attempts.pop(failed_attempts.digest(body), None)

    async def run(self) -> None:
        """Write what is new to Redis, until cancelled; what Redis cannot take now is kept for the next time."""
        while True:
            await asyncio.sleep(FLUSH_INTERVAL_S)
            with suppress(StorageUnavailableError):
                await self.flush()

    async def flush(self) -> None:
        """Write to Redis now. Raises StorageUnavailableError, and keeps all then."""
        attempts = dict(self._first_attempts)
        if attempts:
            await failed_attempts.record(self._store, attempts, self._ttl)
            for name in attempts:
                self._first_attempts.pop(name, None)
