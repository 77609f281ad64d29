"""Simulated time, as it passes while a plan is played."""

import math
import time
from bisect import bisect_right
from operator import itemgetter

_REAL = itemgetter(0)


class SimulatedClock:
    """Seconds of simulated time, from 0 to `end`.

    With a `speed` it runs by itself, that many simulated seconds a second, from `start` on. With speed 0 it stands
    where `reach` has put it.
    """

    def __init__(self, speed: float, end: float) -> None:
        self.speed = speed
        self._end = end
        # When (by the real clock) which moment was reached, in order.
        self._marks: list[tuple[float, float]] = [(-math.inf, 0.0)]
        self._started: float | None = None

    def start(self) -> None:
        self._started = time.monotonic()

    def reach(self, at: float) -> None:
        """Say that this moment has come; time never runs backwards."""
        moment = min(at, self._end)
        if moment > self._marks[-1][1]:
            self._marks.append((time.monotonic(), moment))

    def finish(self) -> None:
        """Say that the last moment has come."""
        self.reach(self._end)

    def now(self, seconds_ago: float = 0.0) -> float:
        """Tell the present moment, or the one that was present so many real seconds ago."""
        real = time.monotonic() - seconds_ago
        reached = self._marks[bisect_right(self._marks, real, key=_REAL) - 1][1]
        if not self.speed or self._started is None:
            return reached
        return min(self._end, max(reached, (real - self._started) * self.speed))

    @property
    def finished(self) -> bool:
        return self.now() >= self._end

    def real_seconds_until(self, at: float) -> float:
        """Tell how long to wait for a moment; with speed 0 there is nothing to wait for."""
        return max(0.0, (at - self.now()) / self.speed) if self.speed else 0.0
