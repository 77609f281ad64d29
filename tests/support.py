"""What many tests need: signed bodies, reviews, waiting."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from aiohttp.web import Request
from nacl.signing import SigningKey

from mirror.settings import Settings, load
from mirror.storage.sink import SinkLag, SinkState
from service.api.fleet_metrics import Snapshot
from tools.simulator.keys import Signer

SIGNER = Signer(SigningKey(bytes(range(32))))
API_TOKEN = "a-token-for-tests"
WEBHOOK = "/webhooks/partoo"
READ = {"Authorization": f"Bearer {API_TOKEN}"}

Client = TestClient[Request, None]
# A snapshot with something of each part, so that every metric is shown.
EVERYTHING = Snapshot(
    counts={},
    reviews={},
    waiting=0,
    oldest_waiting_s=0,
    dead_letters=0,
    workers=0,
    open_questions=0,
    sink=(SinkState(state="following", at=0), SinkLag(0, 0)),
)


def make_settings(**variables: str) -> Settings:
    """Build settings as for production, with the test key, an open read API and the given variables."""
    return load(
        {"PARTOO_PUBLIC_KEYS": SIGNER.public_key, "API_TOKEN": API_TOKEN, "BIND_HOST": "127.0.0.1", **variables}
    )


def make_review(review_id: int = 34, **fields: Any) -> dict[str, Any]:
    """Make a live review with a clock; fields given replace or add, those given as ... are left out."""
    review = {
        "key": "…",
        "org_id": 42,
        "id": review_id,
        "business_id": "5409c35a97bbc544d8e26737",
        "partner": "google_my_business",
        "partner_id": "accounts/1/locations/2",
        "author_name": "Castorche",
        "date": "2025-07-01T16:10:23.156000+02:00",
        "update_date": "2025-09-04T10:00:00.000000+02:00",
        "rating": 3,
        "recommended": None,
        "title": None,
        "content": "Magasin un peu vieillot ❤️",
        "state": "not_treated",
        "link": None,
        "comments": None,
        "tags": [],
    } | fields
    return {name: value for name, value in review.items() if value is not ...}


def make_deletion(review: dict[str, Any], delete_date: str | None = "2025-09-10T20:15:00+02:00") -> dict[str, Any]:
    deletion = review | {"state": "deleted"}
    return deletion if delete_date is None else deletion | {"delete_date": delete_date}


def make_body(review: Any, event_type: str = "review_updated") -> bytes:
    return msgspec.json.encode({"type": event_type, "payload": {"review": review}})


def make_other_event(event_type: str = "business_updated") -> bytes:
    """Make an event that does not concern reviews."""
    return msgspec.json.encode({"type": event_type, "payload": {"business": {"id": "5409c35a97bbc544d8e26737"}}})


def signed(body: bytes, **headers: str) -> dict[str, str]:
    return {"X-Partoo-Signature-v1": SIGNER.sign(body), "Content-Type": "application/json", **headers}


async def send(client: Client, body: bytes, path: str = WEBHOOK, **headers: str) -> ClientResponse:
    """Post a signed body; header names are given with underscores."""
    extra = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post(path, data=body, headers=signed(body, **extra))


async def wait_until(condition: Callable[[], Awaitable[Any]], patience: float = 15.0) -> Any:
    """Poll until the condition gives something true, and return it; fail the test after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not (found := await condition()):
        assert time.monotonic() < deadline, "what the test waits for does not come"
        await asyncio.sleep(0.02)
    return found
