"""Quantiles out of buckets: within five per cent of the exact ones."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.domain.durations import BOUNDS, bucket, quantile, quantiles
from tests.mirror.domain.test_reducer_properties import quick

SECOND = 1_000
YEAR = 365 * 86_400 * SECOND


def histogram(durations: list[int]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for duration in durations:
        counts[bucket(duration)] = counts.get(bucket(duration), 0) + 1
    return counts


def exact(durations: list[int], share: float) -> float:
    """Return the smallest duration in seconds that at least this share of all does not exceed."""
    ordered = sorted(durations)
    rank = next(rank for rank in range(1, len(ordered) + 1) if rank >= share * len(ordered))
    return ordered[rank - 1] / 1000


@quick
@given(st.lists(st.integers(SECOND, 10 * YEAR), min_size=1), st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_within_five_per_cent_of_the_exact_one(durations: list[int], share: float) -> None:
    assert quantile(histogram(durations), share) == pytest.approx(exact(durations, share), rel=0.05)


@pytest.mark.parametrize("duration", [0, 1, 999, 1000])
def test_what_is_shorter_than_a_second_counts_as_one(duration: int) -> None:
    assert bucket(duration) == 0
    assert quantile({0: 1}, 0.5) == pytest.approx(1.0, rel=0.05)


def test_what_lasts_for_ever_falls_into_the_last_bucket() -> None:
    assert bucket(10**15) == len(BOUNDS) - 1 == 228


def test_an_empty_histogram_has_no_quantiles() -> None:
    assert quantiles({}) == {"p50": None, "p90": None, "p99": None}


def test_the_quantiles_of_many_returns_are_the_median_the_ninetieth_and_the_ninety_ninth_per_cent() -> None:
    durations = [number * SECOND for number in range(1, 1001)]
    found = quantiles(histogram(durations))
    cuts = statistics.quantiles(range(1, 1001), n=100)
    assert [found["p50"], found["p90"], found["p99"]] == pytest.approx([cuts[49], cuts[89], cuts[98]], rel=0.05)
