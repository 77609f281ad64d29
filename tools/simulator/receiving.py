"""A receiver of a mirror's outgoing webhooks: checks signatures and order, and fails when it is told to.

The format is that of Standard Webhooks (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md).
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tools.simulator.errors import UsageError

SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with
# How far a timestamp may be off: an older request may be one that somebody recorded.
TOLERANCE_S = 300
UNAUTHORIZED = 401


def key_of(secret: str) -> bytes:
    """Read a secret. Raises UsageError."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise UsageError("--secret: is none such as `endpoints add` prints, whsec_ and base64")
    return key


def problem_with(headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], now: float) -> str | None:
    """Say what is wrong with a request's signature; None if nothing is."""
    event_id, sent_at, signed = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (event_id and sent_at and signed):
        return "webhook-id, webhook-timestamp or webhook-signature is missing"
    if not (sent_at.isascii() and sent_at.isdigit()) or abs(now - int(sent_at)) > TOLERANCE_S:
        return f"webhook-timestamp {sent_at[:20]} is not of these five minutes"
    content = b".".join((event_id.encode(), sent_at.encode(), body))
    right = {"v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode() for key in keys}
    return None if right & set(signed.split()) else "webhook-signature is not that of the secret"


@dataclass(frozen=True)
class Faults:
    """How a receiver fails: with `status`, for a share of the requests, and how long it waits before any answer."""

    status: int = 503
    share: float = 0.0
    wait_s: float = 0.0


@dataclass(frozen=True)
class Received:
    """One request: what it told, the status that it got, and what was noted about it."""

    event: Mapping[str, Any]
    status: int
    note: str


@dataclass
class Tally:
    """What a receiver has seen. `again`: taken before; `out_of_order`: older than one taken of the same review."""

    taken: int = 0
    again: int = 0
    out_of_order: int = 0
    forged: int = 0
    failed: int = 0
    subjects: set[str] = field(default_factory=set)

    @property
    def wrong(self) -> bool:
        return bool(self.out_of_order or self.forged)


class Receiver:
    """Takes events, and tells of each."""

    def __init__(self, keys: Sequence[bytes], faults: Faults, tell: Callable[[Received], None], seed: int = 1) -> None:
        self.tally = Tally()
        self._keys = keys
        self._faults = faults
        self._tell = tell
        self._chance = random.Random(seed)  # noqa: S311 - repeatable, and hides nothing
        self._ids: set[str] = set()
        self._versions: dict[str, int] = {}

    def mend(self) -> None:
        """Fail no more."""
        self._faults = Faults()

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._receive)
        return app

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self._faults.wait_s:
            await asyncio.sleep(self._faults.wait_s)
        received = self.judge(request.headers, body, time.time())
        self._tell(received)
        return web.Response(status=received.status)

    def judge(self, headers: Mapping[str, str], body: bytes, now: float) -> Received:
        """Decide what to answer to a request, and count it."""
        if (problem := problem_with(headers, body, self._keys, now)) is not None:
            self.tally.forged += 1
            return Received({}, UNAUTHORIZED, problem)
        event: dict[str, Any] = json.loads(body)
        if self._chance.random() < self._faults.share:
            self.tally.failed += 1
            return Received(event, self._faults.status, "refused, as it was told to")
        return Received(event, 200, self._take(event))

    def _take(self, event: Mapping[str, Any]) -> str:
        event_id, subject = str(event["id"]), str(event["subject"])
        if event_id in self._ids:
            self.tally.again += 1
            return "again"
        self._ids.add(event_id)
        self.tally.taken += 1
        self.tally.subjects.add(subject)
        version, last = event["data"].get("version"), self._versions.get(subject, 0)
        if not isinstance(version, int):
            return "signed"
        if version < last and event["data"].get("kind") != "replayed":
            self.tally.out_of_order += 1
            return f"OUT OF ORDER: version {version} after {last}"
        self._versions[subject] = version
        return "signed, in order"
