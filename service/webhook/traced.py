"""The steps of the webhook path that write spans, used in place of the plain ones where tracing is on.

Spans are written by the event loop afterwards, so that an error in that reaches no delivery.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from mirror.telemetry.tracing import Tracing
from service.errors import ServiceError
from service.webhook.batch_writer import BatchWriter
from service.webhook.delivery import Delivery
from service.webhook.outcomes import Outcomes


class TracedOutcomes(Outcomes):
    """Writes the span of each request."""

    def __init__(self, tracing: Tracing, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._tracing = tracing

    def accepted(self, deliveries: Sequence[Delivery]) -> None:
        super().accepted(deliveries)
        for delivery in deliveries:
            self._trace_later(delivery, 200, "accepted")

    def acknowledged(self, delivery: Delivery, status: str) -> None:
        super().acknowledged(delivery, status)
        self._trace_later(delivery, 200, status)

    def rejected(self, request: web.Request, delivery: Delivery | None, error: Exception) -> ServiceError:
        rejection = super().rejected(request, delivery, error)
        if delivery is not None:
            self._trace_later(delivery, rejection.status, rejection.code)
        return rejection

    def _trace_later(self, delivery: Delivery, status: int, outcome: str) -> None:
        asyncio.get_running_loop().call_soon(self._trace, delivery, status, outcome)

    def _trace(self, delivery: Delivery, status: int, outcome: str) -> None:
        attributes: dict[str, str | int] = {
            "http.request.method": "POST",
            "http.route": "/webhooks/partoo",
            "http.response.status_code": status,
            "http.request.body.size": len(delivery.entry.body),
            "reviewmirror.outcome": outcome,
            "reviewmirror.delivery_id": delivery.entry.delivery_id,
        }
        if delivery.review_id:
            attributes["reviewmirror.review_id"] = str(delivery.review_id)
        seconds = time.perf_counter() - delivery.started
        self._tracing.request(delivery.entry.delivery_id, seconds, attributes, failed=status >= 500)  # noqa: PLR2004


class TracedBatchWriter(BatchWriter):
    """Writes the span of each write, with a link to each of the requests that it serves."""

    def __init__(self, tracing: Tracing, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._tracing = tracing

    async def _write(self, batch: list[Delivery]) -> None:
        begin = time.time_ns()
        await super()._write(batch)
        if batch:
            ids = [delivery.entry.delivery_id for delivery in batch]
            asyncio.get_running_loop().call_soon(self._tracing.batch, "write", (begin, time.time_ns()), ids)
