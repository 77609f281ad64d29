"""What is sent: for each review a life of deliveries, drawn from a seed. Performs no I/O."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

_START = datetime(2025, 9, 1, tzinfo=UTC)
# Of a hundred deliveries about a review that is shown: how many are what.
COPY, DELETION, UNREADABLE, OTHER = 6, 8, 1, 1
# And of a hundred about one that is missing.
RETURN, RETURN_AS_BEFORE = 60, 25


class Delivery(msgspec.Struct, frozen=True):
    """A body to send, and the status that its 200 must carry."""

    status: str
    body: bytes


def life(seed: int, review_id: int, length: int) -> Iterator[Delivery]:
    """Make a review's deliveries in order: edits, copies, deletions, returns as before; its clock never goes back."""
    lots = random.Random(f"life:{seed}:{review_id}")  # noqa: S311 - to be repeatable is the point
    live = _review(review_id, 0, lots)
    shown: dict[str, Any] | None = live
    body = _body(live)
    yield Delivery("accepted", body)
    for number in range(1, length):
        lot = lots.randrange(100)
        if lot < UNREADABLE:
            yield Delivery("dead_letter", b'{"type": "review_updated", "payload": {"number": %d}}' % number)
            continue
        if lot < UNREADABLE + OTHER:
            yield Delivery("ignored", msgspec.json.encode({"type": "business_updated", "payload": {"number": number}}))
            continue
        lot -= UNREADABLE + OTHER
        if lot >= COPY:
            shown, live = _next(shown, live, number, lot - COPY, lots)
            body = _body(_deletion(live, number) if shown is None else shown)
        yield Delivery("accepted", body)


def _next(
    shown: dict[str, Any] | None, live: dict[str, Any], number: int, lot: int, lots: random.Random
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Give what the review shows next, None while it is missing, and how it was last shown."""
    if shown is not None and lot < DELETION:
        return None, live
    if shown is None and lot < RETURN_AS_BEFORE:
        return live, live
    if shown is None and lot >= RETURN:
        return None, live
    edited = _review(live["id"], number, lots)
    return edited, edited


def _review(review_id: int, number: int, lots: random.Random) -> dict[str, Any]:
    return {
        "id": review_id,
        "org_id": 42,
        "business_id": f"5409c35a97bbc544d8e{review_id % 50:05d}",
        "partner": "google_my_business",
        "author_name": "Castorche",
        "date": "2025-07-01T16:10:23.156000+02:00",
        "update_date": _moment(number),
        "rating": lots.randrange(6),
        "content": lots.choice(("Très bien ❤️", "Un peu vieillot", "Bof")),
        "state": lots.choice(("treated", "not_treated")),
        "tags": [{"id": tag, "label": "food", "color": "#808080"} for tag in range(lots.randrange(3))],
        "number": number,
    }


def _deletion(live: dict[str, Any], number: int) -> dict[str, Any]:
    return live | {"state": "deleted", "delete_date": _moment(number)}


def _moment(number: int) -> str:
    return (_START + timedelta(minutes=number)).isoformat(timespec="microseconds")


def _body(review: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"type": "review_updated", "payload": {"review": review}})
