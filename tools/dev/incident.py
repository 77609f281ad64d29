"""A mirror with an incident in it, for looking at: made-up reviews of two months, of which many vanish together."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from mirror.clock import iso
from mirror.domain.changes import Source
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.storage import inbox, ratings
from mirror.storage.store import Store

SHOP = "5409c35a97bbc544d8e26737"
REVIEWS, VANISHING, RETURNING = 1_300, 500, 200
STORY = 4_217
_HOUR, _DAY = 3_600_000, 86_400_000
_STEP = 500
_NAMES = ("Ana", "Bo", "Chloé", "Dmitri", "Elif", "Fumiko", "Giulia", "Hugo", "Ines", "Jan", "Kofi", "Léa")
_TEXTS = (
    "Friendly staff and quick service, I will come back.",
    "The queue was long, but they did what they could.",
    "Great coffee, small terrace.",
    "They found my size at once. Thank you!",
    "It was closed although the page said open.",
    "Good value, a little loud at noon.",
)

Sent = tuple[int, int, dict[str, Any]]


async def fill(store: Store) -> None:
    """Fill an empty mirror, whose worker runs: each step is applied before the next is sent."""
    now = await store.now()
    dice = random.Random(7)  # noqa: S311 - the same pictures each time
    reviews = [_review(dice, number, now - dice.randint(2 * _DAY, 60 * _DAY)) for number in range(1, REVIEWS + 1)]
    await _send(store, [(at, review["id"], review) for at, review in reviews])
    for step in _story(now):
        await _send(store, [step])
    vanishing = [(at, review) for at, review in reviews if review["business_id"] == SHOP][:VANISHING]
    began = now - 26 * _HOUR
    gone = [(began + 2_000 * place, review) for place, (_, review) in enumerate(vanishing)]
    await _send(store, [(at, review["id"], _deleted(review, at)) for at, review in gone])
    back = [(now - 3 * _HOUR + 4_000 * place, review) for place, (_, review) in enumerate(vanishing[:RETURNING])]
    await _send(store, [(at, review["id"], review) for at, review in back])
    while not await ratings.catch_up(store, 10):
        pass


def _review(dice: random.Random, number: int, at: int) -> tuple[int, dict[str, Any]]:
    review = {
        "id": number,
        "business_id": SHOP if number % 13 else f"{number % 7:024x}",
        "partner": "google_my_business",
        "author_name": dice.choice(_NAMES),
        "date": iso(at),
        "update_date": iso(at),
        "rating": dice.choice((5, 5, 5, 5, 4, 4, 4, 3, 2, 1)),
        "content": dice.choice(_TEXTS),
        "state": "not_treated",
        "comments": None,
        "tags": [],
    }
    return at, review


def _deleted(review: dict[str, Any], at: int) -> dict[str, Any]:
    return review | {"state": "deleted", "delete_date": iso(at)}


def _story(now: int) -> Iterator[Sent]:
    """Tell one review's life: it is edited, vanishes, comes back, and vanishes again."""
    times = [now - days * _DAY for days in (50, 38, 24, 19, 2)]
    _, review = _review(random.Random(1), STORY, times[0])  # noqa: S311 - as above
    review |= {
        "business_id": SHOP,
        "rating": 4,
        "content": "Lovely place, the coffee is good and the staff always has a smile. The prices are fair.",
    }
    yield times[0], STORY, review
    edited = review | {
        "content": "Lovely place, the coffee is cold lately and the staff never has a smile. The prices are fair.",
        "rating": 2,
        "update_date": iso(times[1]),
        "tags": [{"id": 25, "label": "service"}],
    }
    yield times[1], STORY, edited
    yield times[2], STORY, _deleted(edited, times[2])
    yield times[3], STORY, edited
    yield times[4], STORY, _deleted(edited, times[4])


async def _send(store: Store, sent: Sequence[Sent]) -> None:
    for start in range(0, len(sent), _STEP):
        entries = [
            (
                review_id,
                Entry(
                    make_delivery_id(at, review_id),
                    at,
                    Source.WEBHOOK,
                    msgspec.json.encode({"type": "review_updated", "payload": {"review": review}}),
                ),
            )
            for at, review_id, review in sent[start : start + _STEP]
        ]
        await inbox.put(store, entries, "deliveries:accepted")
    while (await inbox.backlog(store)).reviews:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.05)
