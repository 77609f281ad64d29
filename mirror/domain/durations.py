"""A histogram of durations with buckets of equal ratio, small enough to keep one a business. Performs no I/O.

A bucket reaches from its lower bound to 2^(1/8) times that. A quantile is given as the middle of its bucket: within 5 %
of the exact one. What is shorter than a second counts as one.
"""

from bisect import bisect_right
from collections.abc import Mapping

PER_DOUBLING = 8
# Lower bounds of the buckets in milliseconds; the last holds everything beyond some twelve years.
BOUNDS = tuple(1000 * 2 ** (number / PER_DOUBLING) for number in range(229))
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


def bucket(milliseconds: int) -> int:
    """Return the number of the bucket that a duration falls into."""
    return max(0, bisect_right(BOUNDS, milliseconds) - 1)


def quantiles(buckets: Mapping[int, int]) -> dict[str, float | None]:
    """Give the quantiles of a histogram in seconds, null for an empty one."""
    return {name: quantile(buckets, share) for name, share in QUANTILES.items()}


def quantile(buckets: Mapping[int, int], share: float) -> float | None:
    """Give the duration in seconds that this share of all does not exceed; None for an empty histogram."""
    wanted = share * sum(buckets.values())
    seen = 0
    for number in sorted(buckets):
        seen += buckets[number]
        if seen and seen >= wanted:
            return float(f"{2 ** ((number + 0.5) / PER_DOUBLING):.4g}")
    return None
