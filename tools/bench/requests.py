"""Signed requests, prepared before anything is timed."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from nacl.signing import SigningKey

from tools.bench.texts import cut, said
from tools.simulator.keys import Signer

SIGNER = Signer(SigningKey(bytes(range(32))))
BODY_BYTES = 1100
BUSINESSES = 200
_NAMES = ("Castorche", "Élodie", "Jürgen", "Zoë", "Fátima", "Wojciech", "Odile", "Ignazio", "Maud", "Thijs")


def make_body(review_id: int, version: int = 0, **fields: Any) -> bytes:
    """Make a body of BODY_BYTES, with the fields that Partoo's own sample has; `version` sets its clock and rating.

    The other values and the texts are those of this review alone, as they would be in life.
    """
    dice = random.Random(review_id)  # noqa: S311 - made-up reviews
    business = random.Random(-1 - review_id % BUSINESSES)  # noqa: S311 - the same
    hours, minutes, seconds = version // 3600 % 24, version // 60 % 60, version % 60
    place = f"accounts/{business.randrange(10**20, 10**21)}/locations/{business.randrange(10**19, 10**20)}"
    opinion, answer = said(dice)
    written, replied = (f"2025-0{dice.randint(3, 8)}-{dice.randint(10, 28)}T{_time(dice)}+02:00" for _ in range(2))
    review: dict[str, Any] = {
        "key": f"google_my_business-{review_id}",
        "org_id": 42,
        "id": review_id,
        "business_id": f"{business.getrandbits(96):024x}",
        "partner": "google_my_business",
        "partner_id": place,
        "author_name": f"{dice.choice(_NAMES)} {chr(dice.randint(65, 90))}.",
        "date": written,
        "update_date": f"2025-09-04T{hours:02d}:{minutes:02d}:{seconds:02d}.154000+02:00",
        "rating": version % 6,
        "recommended": None,
        "title": None,
        "content": opinion,
        "state": "treated",
        "link": f"https://search.google.com/local/reviews?placeid=ChIJ{business.getrandbits(90):x}",
        "comments": {
            "id": dice.randrange(10_000_000),
            "partner_id": f"{place}/reviews/{review_id}/reply",
            "created": replied,
            "author_name": "Le Magasin",
            "content": "",
            "date": replied,
            "can_edit": True,
            "review_id": review_id,
            "replies": [],
        },
        "tags": [{"id": 25, "label": "food", "color": "#808080"}],
    }
    event = {"type": "review_updated", "payload": {"review": review | fields}}
    missing = BODY_BYTES - len(msgspec.json.encode(event))
    review["comments"]["content"] = cut(answer, max(0, missing))
    return msgspec.json.encode(event)


def _time(dice: random.Random) -> str:
    return f"{dice.randint(10, 22)}:{dice.randint(10, 59)}:{dice.randint(10, 59)}.{dice.randrange(10**5, 10**6)}"


def make_request(body: bytes) -> bytes:
    """Make the whole HTTP request of a signed body."""
    head = (
        "POST /webhooks/partoo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"X-Partoo-Signature-v1: {SIGNER.sign(body)}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def write_requests(path: Path, count: int, reviews: int) -> None:
    """Write `count` requests about `reviews` reviews, each a change of its review, for `tools.bench.load` to send."""
    write_changes(path, [(number % reviews, number // reviews) for number in range(count)])


def write_changes(path: Path, changes: Sequence[tuple[int, int]]) -> None:
    """Write a request for each change, given by its review's id and a version, as `make_body` takes them."""
    path.write_bytes(msgspec.msgpack.encode([make_request(make_body(*change)) for change in changes]))
