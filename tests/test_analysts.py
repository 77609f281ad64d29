"""The queries in docs/analysts.md, run on reviews that make the answers known."""

import asyncio
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mirror.domain.incidents import Thresholds
from mirror.stopping import cancel_and_wait
from mirror.storage.store import Store
from tests.postgres_support import query
from tests.worker.support import DAY, Mirror
from tools.chaos.tables import wait_until_up_to_date
from worker.postgres.sink import PostgresSink

TEXT = (Path(__file__).parents[1] / "docs" / "analysts.md").read_text()
QUERIES = dict(re.findall(r"^### (.+?)\n.*?```sql\n(.*?)```", TEXT, re.MULTILINE | re.DOTALL))
# By heading: the rows that the story below leads to.
ANSWERS: dict[str, list[tuple[Any, ...]]] = {
    "The average by business and month, shown and adjusted": [
        ("b1", date(2025, 10, 1), Decimal("3.67"), Decimal("3.50")),
        ("b2", date(2025, 10, 1), Decimal("3.00"), Decimal("3.00")),
    ],
    "What an incident cost": [
        (date(2025, 9, 16), 1, Decimal("-0.5000")),
        (date(2025, 9, 17), 1, Decimal("-0.5000")),
    ],
    "How long answers take": [("b1", timedelta(hours=18), 2, 4), ("b2", None, 0, 2)],
    "Reviews that vanished for good": [(3, "b1", Decimal(4), datetime(2025, 9, 15, 8, tzinfo=UTC), "Bien")],
    "How long reviews that returned were away": [("b1", 2, timedelta(days=2.5), timedelta(days=3))],
    "Rating changes by their authors": [(2, datetime(2025, 9, 14, 8, tzinfo=UTC), Decimal(1), Decimal(4))],
    "What an answer does to a rating": [(1, Decimal(3))],
    "Tags over time": [(date(2025, 9, 1), "food", 2), (date(2025, 9, 1), "service", 1), (date(2025, 10, 1), "food", 1)],
    "Low ratings that nobody has answered": [
        (5, "b1", Decimal(3), datetime(2025, 9, 12, 6, tzinfo=UTC)),
        (11, "b2", Decimal(3), datetime(2025, 9, 12, 6, tzinfo=UTC)),
    ],
    "The reviews as they were at a moment": [
        ("facebook", 1, None),
        ("google_my_business", 4, Decimal("3.00")),
    ],
}
FOOD, SERVICE = {"id": 25, "label": "food"}, {"id": 26, "label": "service"}


class Story:
    """What reviews are like now, told to a mirror."""

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror
        self.reviews: dict[int, dict[str, Any]] = {}

    async def show(self, review_id: int, **fields: Any) -> None:
        now = datetime.fromtimestamp(self.mirror.now / 1000, UTC).isoformat()
        known = self.reviews.get(review_id, {"date": "2025-09-12T06:00:00Z", "content": "Bien"})
        # A review that returns is as it was.
        self.reviews[review_id] = known | (fields | {"update_date": now} if fields else {})
        await self.mirror.show(review_id, **self.reviews[review_id])

    async def vanish(self, *ids: int) -> None:
        for review_id in ids:
            await self.mirror.vanish(review_id, **self.reviews[review_id])


async def tell(mirror: Mirror) -> None:
    """Let three weeks pass, from 12 September 2025, 08:00 UTC, on."""
    story = Story(mirror)
    for review_id, rating in {1: 5, 2: 1, 3: 4, 4: 2, 5: 3}.items():
        await story.show(review_id, rating=rating, business_id="b1")
    await story.show(11, rating=3, business_id="b2")
    await story.show(12, rating=None, recommended=True, business_id="b2", partner="facebook")
    await mirror.later(DAY)
    await story.show(2, comments={"id": 1, "content": "Pardon", "date": "2025-09-12T18:00:00Z"})
    await story.show(4, comments={"id": 2, "content": "Merci", "date": "2025-09-13T06:00:00Z"})
    await story.show(5, comments={"id": 3, "date": "2025-09-13T06:00:00Z", "is_reply_suggestion": True})
    await story.show(1, tags=[FOOD])
    await mirror.later(DAY)
    await story.show(2, rating=4)
    await story.show(3, tags=[FOOD, SERVICE])
    await mirror.later(DAY)
    await story.vanish(1, 3)
    await mirror.later(2 * DAY)
    await story.show(1)
    await mirror.later(13 * DAY)
    await story.vanish(5)
    await mirror.later(3 * DAY)
    await story.show(5)
    await story.show(11, tags=[FOOD])


@pytest.fixture
async def url(store: Store, monkeypatch: pytest.MonkeyPatch, postgres_url: str) -> str:
    mirror = Mirror(store, monkeypatch, Thresholds())
    await tell(mirror)
    sinking = asyncio.create_task(PostgresSink(store, postgres_url).run())
    assert await wait_until_up_to_date(store, postgres_url, patience=20)
    await cancel_and_wait(sinking)
    return postgres_url


async def test_each_query_for_analysts_gives_the_known_answer(url: str) -> None:
    assert list(QUERIES) == list(ANSWERS)
    for heading, statement in QUERIES.items():
        assert query(url, statement) == ANSWERS[heading], heading
