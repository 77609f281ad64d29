"""`python -m mirror ratings`: a business's rating drawn over time."""

import asyncio
import json

from mirror.storage.store import Store
from tests.commands import mirror as command
from tests.mirror.mirrored import DAY, mirror
from tests.support import make_deletion, make_review

BUSINESS = "5409c35a97bbc544d8e26737"


async def test_a_dip_that_healed_shows_in_one_column_alone(store: Store, redis_url: str) -> None:
    good = make_review(1, rating=5)
    await mirror(store, good, make_review(2, rating=2), ago=20 * DAY)
    await mirror(store, make_deletion(good), ago=10 * DAY)
    shown = await asyncio.to_thread(command, redis_url, "ratings", BUSINESS)
    assert shown.returncode == 0
    first, last = shown.stdout.splitlines()[-15], shown.stdout.splitlines()[-1]
    assert (first.split()[1], first.split()[4]) == ("3.50", "3.50")
    assert (last.split()[1], last.split()[4]) == ("2.00", "3.50")
    assert last.endswith("1 review missing")


async def test_a_program_gets_every_moment_with_both_ratings(store: Store, redis_url: str) -> None:
    await mirror(store, make_review(1, rating=5), ago=3 * DAY)
    shown = await asyncio.to_thread(command, redis_url, "ratings", BUSINESS, "--json")
    found = json.loads(shown.stdout)
    assert len(found) == 30
    assert found[-1]["shown"]["average"] == found[-1]["adjusted"]["average"] == 5


def test_a_business_that_nobody_knows_is_named_with_status_1(redis_url: str) -> None:
    shown = command(redis_url, "ratings", "nobody")
    assert (shown.returncode, shown.stdout) == (1, "")
    assert "no review of this business" in shown.stderr


def test_a_span_that_makes_too_many_lines_is_misuse(redis_url: str) -> None:
    shown = command(redis_url, "ratings", BUSINESS, "--from", "1990-01-01")
    assert shown.returncode == 2
    assert "1 to 1000 lines" in shown.stderr
