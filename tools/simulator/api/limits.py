"""So many requests a minute. Performs no I/O; the time is an argument."""

from collections import deque

_WINDOW_S = 60.0


class RateLimit:
    """Counts requests in a sliding window of a minute; refused ones do not count."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._times: deque[float] = deque()

    def wait(self, now: float) -> float:
        """Count a request and give 0, or refuse it and give the seconds after which the next one is let through."""
        if not self._per_minute:
            return 0.0
        while self._times and self._times[0] <= now - _WINDOW_S:
            self._times.popleft()
        if len(self._times) >= self._per_minute:
            return self._times[0] + _WINDOW_S - now
        self._times.append(now)
        return 0.0
