"""Outgoing webhooks: who is told of which events, signed how, and again when. Performs no I/O.

The format is that of Standard Webhooks (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md): the
headers `webhook-id`, `webhook-timestamp` and `webhook-signature`, and secrets that begin with `whsec_`.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from enum import StrEnum

import msgspec

from mirror.domain.feed import REPLAYED

SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with
SECRET_BYTES = 32
# For how long a secret that was replaced still signs.
ROTATION_MS = 86_400_000

_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000
# After how long an event is sent again, by how often it has failed; then always after the last of them.
RETRY_AFTER_MS: tuple[int, ...] = (
    *(5 * _SECOND, 30 * _SECOND, 5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR),
    12 * _HOUR,
)
# An endpoint at which nothing has succeeded for so long is disabled.
DISABLE_AFTER_MS = 5 * _DAY
# An event that the receiver has refused for so long, while it took others, is parked.
PARK_AFTER_MS = _DAY
_GONE = 410
_RETRY_AFTER_STATUSES = frozenset({429, 502, 503, 504})
# Refusals that say "not now" and nothing about the event.
_NOT_NOW = frozenset({408, 425, 429})


class State(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"
    CURSOR_EXPIRED = "cursor_expired"  # it was away for longer than the feed keeps its entries


class Secret(msgspec.Struct, frozen=True, omit_defaults=True):
    """One signing secret; `until` (ms since 1970 UTC) is when one that was replaced ends."""

    value: str
    until: int | None = None


class Endpoint(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where events are sent, and which: empty filters let everything through. Times are ms since 1970 UTC.

    `hold_vanished`: a disappearance is told only once it has lasted for so many milliseconds. `revision` counts the
    changes of this configuration; `epoch` those of its cursor and its items by anybody but its sender.
    """

    id: str
    url: str
    secrets: tuple[Secret, ...]
    created_at: int
    kinds: tuple[str, ...] = ()
    business_ids: tuple[str, ...] = ()
    partners: tuple[str, ...] = ()
    hold_vanished: int = 0
    state: State = State.ACTIVE
    reason: str = ""
    revision: int = 1
    epoch: int = 0

    def wants(self, kind: str) -> bool:
        return not self.kinds or kind in self.kinds


def make_secret(noise: bytes) -> str:
    """Write random bytes as a secret."""
    return SECRET_PREFIX + base64.b64encode(noise).decode()


def signatures(secrets: Sequence[Secret], event_id: str, timestamp: int, body: bytes, now: int) -> str:
    """Sign an event with every secret that is right at `now` (ms); `timestamp` is in seconds since 1970 UTC."""
    content = b".".join((event_id.encode(), str(timestamp).encode(), body))
    valid = [secret for secret in secrets if secret.until is None or secret.until > now]
    return " ".join(_signature(secret.value, content) for secret in valid)


def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one attempt: the answer's status, or `error` where there was none.

    `at` is in ms since 1970 UTC, `took` in ms, `retry_after` in ms where the receiver named a time.
    """

    at: int
    event: str
    status: int = 0
    took: int = 0
    error: str = ""
    retry_after: int = 0

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 - what HTTP calls successful

    @property
    def refused(self) -> bool:
        """Whether the receiver speaks of this event, not of its own state."""
        return 400 <= self.status < 500 and self.status not in _NOT_NOW  # noqa: PLR2004 - a client error

    @property
    def ends_it_all(self) -> bool:
        """Whether the receiver wants nothing more at this address."""
        return self.status == _GONE

    @property
    def asks_to_wait(self) -> bool:
        return bool(self.retry_after) and self.status in _RETRY_AFTER_STATUSES


def retry_delay(failures: int, jitter: float) -> int:
    """Tell after how many ms an event that has failed so often is sent again; `jitter` is from 0 to 1."""
    base = RETRY_AFTER_MS[min(failures, len(RETRY_AFTER_MS)) - 1]
    return round(base * (0.8 + 0.4 * jitter))


class Item(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An event that is on its way to an endpoint. `position` is its place in the feed, as text.

    `next_at`: not before then (ms since 1970 UTC). `held_until`: of a disappearance that is told only if it lasts until
    then. `told_as`: the kind that it is told as, if not its own. `failures`: attempts that failed. `refused_since`:
    since when the receiver has refused it; 0: it has not.
    """

    position: str
    kind: str
    review_id: int = 0
    version: int = 0
    delivery_id: str = ""
    facts: dict[str, object] | None = None
    next_at: int = 0
    held_until: int = 0
    told_as: str = ""
    failures: int = 0
    refused_since: int = 0
    last_status: int = 0

    @property
    def subject(self) -> int | str:
        """What the order is kept of: the review, or the group of incidents."""
        return self.review_id if self.facts is None else "facts"

    @property
    def event_id(self) -> str:
        return event_id(self.kind, self.review_id, self.version, self.position, about_review=self.facts is None)


def event_id(kind: str, review_id: int, version: int, position: object, *, about_review: bool = True) -> str:
    """Name an event by what happened, so that it has the same name however often, and whatever way, it is told."""
    if not about_review:
        return f"{kind}-{position}"
    # A replay tells a version anew: whoever has seen the version must not take it for known.
    again = f"-{REPLAYED}-{position}" if kind == REPLAYED else ""
    return f"{review_id}-{version}{again}"
