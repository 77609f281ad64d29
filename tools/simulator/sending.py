"""One event's way to its receiver: sent, sent again while Partoo would, acknowledged or lost.

Partoo documents (guides, settings, webhooks, setup): 200 acknowledges; 5xx is sent again up to 5 times with exponential
backoff, and then the event is lost; any other status loses it at once. It documents no timeout and no spacing, and
nothing about connections that fail: here they count as 5xx, and times are arguments.
"""

import asyncio
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aiohttp import ClientConnectorError, ClientError, ClientSession, ClientTimeout
from yarl import URL

from tools.simulator.wire import SignedEvent


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently an event is sent again; times in seconds."""

    retries: int = 5
    base: float = 1.0
    timeout: float = 10.0

    def delay(self, attempt: int) -> float | None:
        """Seconds to wait after this failed attempt, counted from 1; None: that was the last."""
        return self.base * 2.0 ** (attempt - 1) if attempt <= self.retries else None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One POST: the status it was answered with, or the error in its place; and how long it took, in seconds."""

    status: int | None
    error: str | None
    seconds: float

    @property
    def acknowledges(self) -> bool:
        return self.status == HTTPStatus.OK

    @property
    def may_be_repeated(self) -> bool:
        return self.status is None or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of an event: its attempts, and the last answer as JSON (None: there was none)."""

    attempts: tuple[Attempt, ...]
    answer: Any

    @property
    def acknowledged(self) -> bool:
        return self.attempts[-1].acknowledges


async def deliver(
    session: ClientSession,
    url: URL,
    event: SignedEvent,
    policy: RetryPolicy,
    on_redelivery: Callable[[Attempt, float], None] = lambda _attempt, _delay: None,
) -> Delivery:
    """Send one event until it is acknowledged or lost, and tell which.

    `on_redelivery` hears of each failed attempt that will be followed by another, and in how many seconds.
    """
    attempts: list[Attempt] = []
    while True:
        attempt, answer = await _post(session, url, event, policy.timeout)
        attempts.append(attempt)
        delay = policy.delay(len(attempts)) if attempt.may_be_repeated else None
        if delay is None:
            return Delivery(tuple(attempts), answer)
        on_redelivery(attempt, delay)
        await asyncio.sleep(delay)


async def _post(session: ClientSession, url: URL, event: SignedEvent, seconds: float) -> tuple[Attempt, Any]:
    started = time.perf_counter()
    status, error, answer = None, None, None
    try:
        # A redirection is a status like any other: Partoo's page knows only 200, 5xx and "any other error".
        async with session.post(
            url, data=event.body, headers=event.headers, timeout=ClientTimeout(total=seconds), allow_redirects=False
        ) as response:
            answer = _json_or_none(await response.read())
            status = response.status
    except TimeoutError:
        error = f"no answer within {seconds:g} s"
    except (ClientError, OSError) as failure:
        error = _explain(failure)
    return Attempt(status, error, time.perf_counter() - started), answer


def _explain(failure: Exception) -> str:
    # Not its subclasses: the numbers of a failed look-up or a failed TLS handshake are none of the system's.
    if type(failure) is ClientConnectorError and failure.errno:
        return f"no connection ({os.strerror(failure.errno)})"
    return str(failure) or type(failure).__name__


def _json_or_none(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
