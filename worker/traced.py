"""The drain and the outgoing client that write spans, used in place of the plain ones where tracing is on.

Spans are written by the event loop afterwards, so that an error in that holds up no delivery.
"""

import asyncio
import time
from collections.abc import Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any

from mirror.domain.changes import Source
from mirror.domain.outgoing import Answer, Endpoint
from mirror.events import CloudEvent
from mirror.outgoing.client import OutgoingClient
from mirror.storage.commit import Commit
from mirror.storage.inbox import Claim
from mirror.telemetry.tracing import Step, Times, Tracing
from worker.drain import Drainer

# When the claim that this task works on began and ended, and when the batch of it did that is under way; in ns since
# 1970 UTC.
_CLAIMED: ContextVar[tuple[int, int]] = ContextVar("claimed")
_BATCH: ContextVar[int] = ContextVar("batch")
_SUCCESS = range(200, 300)


class TracedDrainer(Drainer):
    """Writes the span of each batch, and that of each delivery that was applied."""

    def __init__(self, tracing: Tracing, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._tracing = tracing

    async def _claim(self) -> list[Claim]:
        begin = time.time_ns()
        claims = await super()._claim()
        _CLAIMED.set((begin, time.time_ns()))
        return claims

    async def _apply(self, claims: list[Claim]) -> None:
        _BATCH.set(time.time_ns())
        await super()._apply(claims)

    async def _commit(self, commits: Sequence[Commit], now: int) -> list[bool | str]:
        committing = time.time_ns()
        answers = await super()._commit(commits, now)
        end = time.time_ns()
        claiming, claimed = _CLAIMED.get()
        steps = [("claim", claiming, claimed), ("decide", _BATCH.get(), committing), ("commit", committing, end)]
        written = [one for one, answer in zip(commits, answers, strict=True) if answer is True]
        asyncio.get_running_loop().call_soon(self._trace, written, (claiming, end), steps)
        return answers

    def _trace(self, written: Sequence[Commit], times: Times, steps: Sequence[Step]) -> None:
        ids = [decision.delivery.delivery_id for one in written for decision in one.settled.decisions]
        batch = self._tracing.batch("apply batch", times, ids, steps)
        for one in written:
            for decision in one.settled.decisions:
                delivery = decision.delivery
                attributes = {
                    "reviewmirror.outcome": decision.outcome,
                    "reviewmirror.certainty": decision.certainty.value,
                    "reviewmirror.source": delivery.source.value,
                    "reviewmirror.delivery_id": delivery.delivery_id,
                    "reviewmirror.review_id": str(one.review_id),
                }
                requested = delivery.source is Source.WEBHOOK
                self._tracing.applied(delivery.delivery_id, times, attributes, batch, requested=requested)


class TracedClient(OutgoingClient):
    """Writes the span of each outgoing webhook, in the trace of the delivery that it tells of."""

    def __init__(self, tracing: Tracing, **options: Any) -> None:
        super().__init__(**options)
        self._tracing = tracing

    async def post(self, endpoint: Endpoint, event: CloudEvent, now: int) -> Answer:
        begin = time.time_ns()
        answer = await super().post(endpoint, event, now)
        # The endpoint's URL may hold a secret.
        attributes: dict[str, str | int] = {
            "http.request.method": "POST",
            "http.response.status_code": answer.status,
            "reviewmirror.endpoint": endpoint.id,
            "reviewmirror.event": event.id,
        }
        delivery_id = event.data.get("delivery_id") or ""
        write = partial(self._tracing.sent, delivery_id, begin, attributes, failed=answer.status not in _SUCCESS)
        asyncio.get_running_loop().call_soon(write)
        return answer
