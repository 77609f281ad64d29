"""The clock of what is stored: Redis's TIME, carried on by a monotonic clock between two looks at it.

What one process dates, others build upon: a web process whose system clock is two years ahead would date a review's
history there, and a worker's that is days ahead would take for gone what has just vanished. So whatever is stored is
dated by the one clock that all processes share. Reading it costs no round trip.
"""

import asyncio
import time
from contextlib import suppress

import msgspec
import structlog
from redis.asyncio import Redis

from mirror.clock import now_ms, span
from mirror.storage.errors import StorageUnavailableError

RESYNC_S = 5.0
# A system clock that is off by more is told: logs, and times that other programs compare with, are wrong then.
SKEW_TOLD_MS = 60_000
SKEW_REMEDY = "set right the one that is wrong, by NTP for instance; no restart is needed"
_SAMPLES = 3
# How much less is known of Redis's time with each second: clocks may drift apart by a ten-thousandth.
_DRIFT_NS_A_SECOND = 100_000
# Unlike CLOCK_MONOTONIC this one goes on while the machine sleeps; macOS has no such, and needs none.
_TICKS = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

log = structlog.get_logger()


class Reading(msgspec.Struct, frozen=True):
    """What to add to the ticks to get Redis's time, how far off that may be, and at which tick it was found; in ns."""

    offset: int
    uncertainty: int
    at: int


class RedisClock:
    """One for each process. Asks Redis when it is first read, and again whenever `synchronize` is called."""

    def __init__(self) -> None:
        self._reading: Reading | None = None
        self._asking: asyncio.Task[None] | None = None
        self._wrong = False

    async def now(self, redis: Redis) -> int:
        """Return Redis's time in ms since 1970 UTC.

        Raises StorageUnavailableError if Redis was never asked before and cannot be asked now.
        """
        if self._reading is None:
            await self.synchronize(redis)
        return self.read()

    def guess(self) -> int:
        """Return what `now` does, or the system's time while Redis's is not known: nothing may be stored with it."""
        return now_ms() if self._reading is None else self.read()

    def skew_ms(self) -> int:
        """Return how far the system's clock is ahead of Redis's; 0 as long as that is not known."""
        return 0 if self._reading is None else now_ms() - self.read()

    async def synchronize(self, redis: Redis) -> None:
        """Ask Redis for its time; whoever calls while that is under way gets the same answer."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(redis))
            self._asking.add_done_callback(self._asked)
        await asyncio.shield(self._asking)

    async def settled(self) -> None:
        """Wait until nobody is being asked: a connection that is closed meanwhile would stay open."""
        if self._asking is not None:
            await asyncio.wait({self._asking})

    async def run(self, redis: Redis) -> None:
        """Synchronize until cancelled, and tell when the system's clock is wrong."""
        while True:
            with suppress(StorageUnavailableError):
                await self.synchronize(redis)
                self.tell_skew()
            await asyncio.sleep(RESYNC_S)

    def tell_skew(self) -> None:
        """Log once when the system's clock is found to be wrong, and once when it is right again."""
        skew = self.skew_ms()
        problem = skew_problem(skew)
        if problem is not None and not self._wrong:
            log.warning("clock.wrong", reason=problem, remedy=SKEW_REMEDY, skew_s=skew / 1000)
        elif problem is None and self._wrong:
            log.info("clock.right_again")
        self._wrong = problem is not None

    def read(self) -> int:
        """Return what `now` does, to whoever has waited for that once."""
        assert self._reading is not None  # noqa: S101 - see above
        return (time.clock_gettime_ns(_TICKS) + self._reading.offset) // 1_000_000

    async def _ask(self, redis: Redis) -> None:
        best = min([await _sample(redis) for _ in range(_SAMPLES)], key=lambda reading: reading.uncertainty)
        self._reading = better(self._reading, best)

    def _asked(self, task: "asyncio.Task[None]") -> None:
        self._asking = None
        if not task.cancelled():
            task.exception()  # whoever waited has got it


async def _sample(redis: Redis) -> Reading:
    before = time.clock_gettime_ns(_TICKS)
    seconds, microseconds = await redis.time()
    after = time.clock_gettime_ns(_TICKS)
    # Somewhere between the two Redis looked at its clock.
    offset = (seconds * 1_000_000 + microseconds) * 1000 - (before + after) // 2
    return Reading(offset, (after - before) // 2, after)


def better(known: Reading | None, new: Reading) -> Reading:
    """Choose between what is known and what was just found.

    While they agree, the more exact one stands, so that a slow answer does not move the clock; where they cannot both
    be true, Redis's clock was set, or another server has taken its place.
    """
    if known is None:
        return new
    uncertainty = known.uncertainty + (new.at - known.at) * _DRIFT_NS_A_SECOND // 1_000_000_000
    agree = abs(new.offset - known.offset) <= uncertainty + new.uncertainty
    return known if agree and uncertainty < new.uncertainty else new


def skew_problem(skew_ms: int) -> str | None:
    """Say that the system's clock is that far ahead of Redis's, if it is worth telling."""
    if abs(skew_ms) <= SKEW_TOLD_MS:
        return None
    direction = "ahead of" if skew_ms > 0 else "behind"
    return f"the clock of this machine is {span(abs(skew_ms))} {direction} Redis's, by which everything stored is dated"
