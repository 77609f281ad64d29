"""Simulated time, as it passes while a plan is played."""

import time


class SimulatedClock:
    """Seconds of simulated time, from 0 to `end`.

    With a `speed` it runs by itself, that many simulated seconds a second, from `start` on. With speed 0 it stands
    where `reach` has put it.
    """

    def __init__(self, speed: float, end: float) -> None:
        self.speed = speed
        self._end = end
        self._reached = 0.0
        self._started: float | None = None

    def start(self) -> None:
        self._started = time.monotonic()

    def reach(self, at: float) -> None:
        """Say that this moment has come; time never runs backwards."""
        self._reached = max(self._reached, min(at, self._end))

    def finish(self) -> None:
        """Say that the last moment has come."""
        self._reached = self._end

    def now(self) -> float:
        if self.speed and self._started is not None:
            self.reach((time.monotonic() - self._started) * self.speed)
        return self._reached

    @property
    def finished(self) -> bool:
        return self.now() >= self._end

    def real_seconds_until(self, at: float) -> float:
        """Tell how long to wait for a moment; with speed 0 there is nothing to wait for."""
        return max(0.0, (at - self.now()) / self.speed) if self.speed else 0.0
