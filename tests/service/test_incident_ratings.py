"""An incident in `GET /ratings`: reviews that return, and reviews that are purged, by the worker's own code."""

import pytest

from mirror.clock import iso
from mirror.domain.incidents import Thresholds
from mirror.storage.store import Store
from tests.service.support import read
from tests.support import Client
from tests.worker.support import DAY, START, Mirror

# The business has 100 reviews with five stars, and 500 with two, which vanish.
GOOD, BAD = range(1, 101), range(101, 601)
WHOLE = (100 * 5 + 500 * 2) / 600


@pytest.fixture
def mirror(store: Store, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    return Mirror(store, monkeypatch, Thresholds())


async def averages(service: Client, days: int) -> tuple[list[float], list[float]]:
    """Give the averages shown and adjusted at the beginning of each day after the first."""
    query = {"business_id": "b1", "from": iso(START + 1), "to": iso(START + days * DAY), "interval": "day"}
    buckets = (await read(service, "/ratings", **query))["buckets"]
    assert len(buckets) == days
    return [one["shown"]["average"] for one in buckets], [one["adjusted"]["average"] for one in buckets]


async def test_500_reviews_that_vanish_and_return_move_what_is_shown_alone(service: Client, mirror: Mirror) -> None:
    await mirror.show(*GOOD, rating=5, business_id="b1")
    await mirror.show(*BAD, rating=2, business_id="b1")
    await mirror.later(2 * DAY)
    await mirror.vanish(*BAD, rating=2, business_id="b1")
    await mirror.later(3 * DAY)
    assert await averages(service, 5) == ([2.5, 2.5, 5, 5, 5], [2.5] * 5)
    await mirror.show(*BAD, rating=2, business_id="b1")
    await mirror.later(3 * DAY)
    assert WHOLE == 2.5
    assert await averages(service, 8) == ([2.5, 2.5, 5, 5, 5, 2.5, 2.5, 2.5], [2.5] * 8)


async def test_a_purge_moves_both_the_adjusted_rating_from_its_day_on(service: Client, mirror: Mirror) -> None:
    await mirror.show(*GOOD, rating=5, business_id="b1")
    await mirror.show(*BAD, rating=2, business_id="b1")
    await mirror.later(2 * DAY)
    await mirror.vanish(*BAD, rating=2, business_id="b1")
    await mirror.later(5 * DAY)
    # Undecided: they may come back.
    assert await averages(service, 7) == ([2.5, 2.5, 5, 5, 5, 5, 5], [2.5] * 7)
    # The incident holds them for two graces; after a third they are gone.
    for _ in range(5):
        await mirror.later(5 * DAY)
    assert set(await mirror.statuses(*BAD)) == {"gone"}
    assert await averages(service, 10) == ([2.5, 2.5, *[5] * 8], [2.5, 2.5, *[5] * 8])
