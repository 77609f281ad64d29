"""Signed requests, prepared before anything is timed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from nacl.signing import SigningKey

from tools.simulator.keys import Signer

SIGNER = Signer(SigningKey(bytes(range(32))))
BODY_BYTES = 1100
BUSINESSES = 200


def make_body(review_id: int, version: int = 0, **fields: Any) -> bytes:
    """Make a body of about BODY_BYTES, as Partoo's own sample has; `version` sets its clock and rating."""
    hours, minutes, seconds = version // 3600 % 24, version // 60 % 60, version % 60
    review: dict[str, Any] = {
        "key": f"google_my_business-{review_id}",
        "org_id": 42,
        "id": review_id,
        "business_id": f"5409c35a97bbc544d8e{review_id % BUSINESSES:05d}",
        "partner": "google_my_business",
        "partner_id": "accounts/114063712393225091258/locations/74805271119400652054",
        "author_name": "Castorche",
        "date": "2025-07-01T16:10:23.156000+02:00",
        "update_date": f"2025-09-04T{hours:02d}:{minutes:02d}:{seconds:02d}.154000+02:00",
        "rating": version % 6,
        "recommended": None,
        "title": None,
        "content": "Magasin un peu vieillot, mais personnel très sympathique ❤️",
        "state": "treated",
        "link": "https://search.google.com/local/reviews?placeid=le-magasin",
        "comments": {
            "id": 82938,
            "partner_id": f"accounts/114063712393225091258/reviews/{review_id}/reply",
            "created": "2025-08-01T19:15:54.256000+02:00",
            "author_name": "Le Magasin",
            "content": "",
            "date": "2025-08-01T19:15:54.256000+02:00",
            "can_edit": True,
            "review_id": review_id,
            "replies": [],
        },
        "tags": [{"id": 25, "label": "food", "color": "#808080"}],
    }
    event = {"type": "review_updated", "payload": {"review": review | fields}}
    missing = BODY_BYTES - len(msgspec.json.encode(event))
    review["comments"]["content"] = "m" * max(0, missing)
    return msgspec.json.encode(event)


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
