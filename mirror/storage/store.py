"""The mirror's handle on Redis: a client and the Lua scripts that change state in one step each."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mirror.storage import durability as durable
from mirror.storage import keys
from mirror.storage.connection import Client
from mirror.storage.durability import NOT_WAITING, Durability
from mirror.storage.errors import mapping
from mirror.storage.redis_clock import RedisClock

# What arq gives a job that nobody takes.
_JOB_KEPT = timedelta(days=1)
_LUA = Path(__file__).parent / "lua"


class Store:
    """`redis` serves the mirror's keys and arq's; the other attributes are the scripts of the same names.

    Stores of one process share its `clock`. `feed_length`: about how many entries of the feed are kept. `durability`:
    what deliveries that are accepted wait for.
    """

    def __init__(
        self,
        redis: Client,
        clock: RedisClock | None = None,
        *,
        feed_length: int = keys.FEED_LENGTH,
        durability: Durability = NOT_WAITING,
    ) -> None:
        self.redis = redis
        self.durability = durability
        self.feed_length = feed_length
        self.clock = RedisClock() if clock is None else clock
        # redis-py reloads a script that the server has forgotten, after a failover for instance.
        self.accept = self._script("accept")
        self.probe = self._script("probe")
        self.claim = self._script("claim")
        self.claim_verifications = self._script("claim_verifications")
        self.release_verification = self._script("release_verification")
        self.book_request = self._script("book_request")
        self.retry = self._script("retry")
        self.rebuild = self._script("rebuild")
        self.trim = self._script("trim")
        # Several files, one script: what a commit means for absences is much, and is done in the same step.
        self.commit = self._script("names", "dead_letters", "absences", "commit")
        self.keep_dead_letter = self._script("dead_letters", "keep_dead_letter")
        self.check = self._script("check")
        self.tell_incident = self._script("tell_incident")
        self.close_incident = self._script("close_incident")
        self.endpoint_flush = self._script("endpoint_flush")
        self.count_deliveries = self._script("count_deliveries")
        self.tell_silence = self._script("tell_silence")
        self.hold = self._script("hold")

    def _script(self, *parts: str) -> Any:
        return self.redis.register_script("".join((_LUA / f"{part}.lua").read_text() for part in parts))

    async def run_durably(self, script: Any, key_names: Sequence[str], args: Sequence[Any]) -> Any:
        """Run one of the scripts; returns once what it wrote is as durable as this store is to make it.

        Raises `durability.NotDurableError` where that does not happen in time.
        """
        return await durable.run(self.redis, script, self.durability, key_names, args)

    async def now(self) -> int:
        """Return the time by which everything stored is dated, Redis's, in ms since 1970 UTC.

        Raises StorageUnavailableError if it has never been asked for and cannot be.
        """
        return await self.clock.now(self.redis)

    async def enqueue(self, job: str, *args: Any, after_ms: int = 0) -> None:
        """Have arq run a job, at once or later.

        arq would have it due by the clock of this machine: where that is ahead, no worker would take the job for years.
        """
        due = datetime.fromtimestamp((await self.now() + after_ms) / 1000, UTC)
        await self.redis.enqueue_job(
            job, *args, _defer_until=due, _expires=_JOB_KEPT + timedelta(milliseconds=after_ms)
        )

    async def close(self) -> None:
        with mapping():
            await self.clock.settled()
        await self.redis.aclose(close_connection_pool=True)
