"""The view `ratings_daily` gives what the mirror's own ratings give, day by day."""

import asyncio
import random
from typing import Any

import msgspec
import pytest

from mirror.domain.incidents import Thresholds
from mirror.domain.ratings import Rating, moments, series
from mirror.stopping import cancel_and_wait
from mirror.storage import ratings
from mirror.storage.store import Store
from tests.postgres_support import query
from tests.worker.support import HOUR, START, Mirror
from tools.chaos.tables import wait_until_up_to_date
from worker.postgres.sink import PostgresSink

BUSINESSES, PARTNERS = ("b1", "b2"), ("google_my_business", "facebook")
COLUMNS = "count, count_unrated, average, stars_1, stars_2, stars_3, stars_4, stars_5, recommended, not_recommended"


async def live_at_random(mirror: Mirror, draw: random.Random) -> None:
    """Have reviews appear, change, vanish and return over some weeks."""
    fields: dict[int, dict[str, Any]] = {}
    for step in range(60):
        review_id = draw.randint(1, 15)
        clock = f"2025-09-12T07:{step:02d}:00Z"
        changed = {
            "rating": draw.choice([None, 1, 2, 3, 4, 5, 4.5, 0, "4"]),
            "recommended": draw.choice([None, True, False]),
            "update_date": clock,
        }
        place = {"business_id": draw.choice(BUSINESSES), "partner": draw.choice(PARTNERS)}
        known = fields.get(review_id)
        if known is not None and draw.random() < 0.5:
            await mirror.vanish(review_id, **known)
        else:
            fields[review_id] = changed | (place if known is None or draw.random() < 0.1 else known_place(known))
            await mirror.show(review_id, **fields[review_id])
        await mirror.later(draw.choice([HOUR, 16 * HOUR, 24 * HOUR]))


def known_place(known: dict[str, Any]) -> dict[str, Any]:
    return {name: known[name] for name in ("business_id", "partner")}


def numbers(rating: Rating) -> list[float | None]:
    values = msgspec.structs.asdict(rating)
    stars = values.pop("stars")
    values |= {f"stars_{star}": count for star, count in stars.items()}
    return [values[name] for name in COLUMNS.split(", ")]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_view_gives_what_the_mirrors_ratings_give(
    store: Store, monkeypatch: pytest.MonkeyPatch, postgres_url: str, seed: int
) -> None:
    mirror = Mirror(store, monkeypatch, Thresholds())
    await live_at_random(mirror, random.Random(seed))  # noqa: S311
    sinking = asyncio.create_task(PostgresSink(store, postgres_url).run())
    assert await wait_until_up_to_date(store, postgres_url, patience=20)
    await cancel_and_wait(sinking)
    assert await ratings.catch_up(store, 100)
    days = moments(START, mirror.now, "day")
    columns = ", ".join(f"{side}_{name}" for side in ("shown", "adjusted") for name in COLUMNS.split(", "))
    compared = 0
    for business_id in await ratings.businesses(store):
        tracks = [track async for piece in ratings.tracks(store, business_id) for track in piece]
        for partner in PARTNERS:
            found = series([track for track in tracks if track.partner == partner], days)
            expected = {day: numbers(one.shown) + numbers(one.adjusted) for day, one in zip(days, found, strict=True)}
            rows = query(
                postgres_url,
                f"SELECT (extract(epoch FROM day::timestamp) * 1000)::bigint, {columns} FROM ratings_daily "  # noqa: S608
                f"WHERE business_id = '{business_id}' AND partner = '{partner}' ORDER BY day",
            )
            told = {row[0]: [None if one is None else float(one) for one in row[1:]] for row in rows}
            for day, values in expected.items():
                assert told.get(day, [0, 0, None, *[0] * 7] * 2) == pytest.approx(values, abs=1e-4, nan_ok=True), day
                compared += day in told
    assert compared > 20
