"""What Partoo will send again, because it has not got its acknowledgement: told to the workers through Redis."""

import asyncio
from contextlib import suppress

from mirror.storage import redeliveries
from mirror.storage.connection import UNAVAILABLE
from mirror.storage.store import Store

# Sooner than a redelivery comes: Partoo backs off exponentially, from what is hardly less than a second.
FLUSH_INTERVAL_S = 0.2
# While Redis is away, every delivery is expected again; beyond this many, the rest are not noted.
MAX_KEPT = 10_000


class Redeliveries:
    """`ttl`: for how long a redelivery is expected, in milliseconds."""

    def __init__(self, store: Store, ttl: int) -> None:
        self._store = store
        self._ttl = ttl
        self._offers: dict[str, int] = {}

    def expect(self, body: bytes, first_attempt_at: int) -> None:
        """Remember a body that was offered at this time (ms since 1970 UTC), and not acknowledged."""
        if len(self._offers) < MAX_KEPT:
            self._offers.setdefault(redeliveries.digest(body), first_attempt_at)

    def offered(self, body: bytes) -> int | None:
        """Tell when a body was first offered (ms since 1970 UTC), where Redis has not been told of it yet.

        After an outage the redeliveries come as soon as Redis is back, perhaps sooner than `run` gets through to it.
        """
        return self._offers.get(redeliveries.digest(body)) if self._offers else None

    def arrived(self, body: bytes) -> None:
        """Expect no longer what has been stored now, with what `offered` tells of it."""
        if self._offers:
            self._offers.pop(redeliveries.digest(body), None)

    async def run(self) -> None:
        """Tell Redis what is new, until cancelled; what it cannot take now is kept for the next time."""
        while True:
            await asyncio.sleep(FLUSH_INTERVAL_S)
            with suppress(*UNAVAILABLE):
                await self.flush()

    async def flush(self) -> None:
        """Tell Redis now. Raises one of `connection.UNAVAILABLE`, and keeps all then."""
        offers = dict(self._offers)
        if offers:
            await redeliveries.expect(self._store, offers, self._ttl)
            for name in offers:
                self._offers.pop(name, None)
