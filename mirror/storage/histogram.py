"""Histograms kept as counters, so that all processes of the fleet add to the same ones. Performs no I/O."""

from bisect import bisect_left
from functools import cache

# Upper bounds in seconds; a value above the last counts as +Inf.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0, 3600.0)
LABELS = (*(str(bound) for bound in BOUNDS), "+Inf")


def bucket(name: str, seconds: float) -> str:
    """Name the counter of the one bucket that a value falls into."""
    return _counters(name)[bisect_left(BOUNDS, seconds)]


@cache
def _counters(name: str) -> tuple[str, ...]:
    return tuple(f"{name}:le:{label}" for label in LABELS)
