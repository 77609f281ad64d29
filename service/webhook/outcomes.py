"""Counts and logs the outcome of each delivery, and records a failed attempt if Partoo will repeat it."""

import time
from collections.abc import Sequence
from typing import Any

import structlog
from aiohttp import web

from mirror.domain.wire import SIGNATURE_HEADER
from service.errors import ServiceError, as_service_error
from service.requests import LOG_FACTS, may_be_gone
from service.webhook.address import AddressError
from service.webhook.delivery import Delivery
from service.webhook.failed_attempts import FailedAttempts
from service.webhook.metrics_buffer import MetricsBuffer

# What was wrong with an address. Partoo will not repeat the request, so its event may be lost.
MISTAKES = {
    "path": "nothing takes deliveries at this path: check the URL of the webhook at Partoo",
    "method": "deliveries are taken by POST alone",
    "secret": "neither the path nor ?key= nor X-Webhook-Secret holds a secret of PARTOO_WEBHOOK_SECRET",
}


class Outcomes:
    def __init__(self, metrics: MetricsBuffer, failed_attempts: FailedAttempts) -> None:
        self._metrics = metrics
        self._failed_attempts = failed_attempts
        # Bound once: structlog's lazy logger would bind anew for each line.
        self._log = structlog.get_logger().bind()

    def accepted(self, deliveries: Sequence[Delivery]) -> None:
        """Log deliveries that are stored. The write that stored them has counted them too."""
        for delivery in deliveries:
            self._failed_attempts.discard(delivery.entry.body)
        self._acknowledged(deliveries, "accepted")

    def acknowledged(self, delivery: Delivery, status: str) -> None:
        """Count and log a delivery that is acknowledged with a status other than `accepted`."""
        self._metrics.count(f"deliveries:{status}")
        self._acknowledged([delivery], status)

    def rejected(self, request: web.Request, delivery: Delivery | None, error: Exception) -> ServiceError:
        """Count and log a request that is refused, with what is known of its delivery; return what to answer."""
        rejection = as_service_error(error)
        self._metrics.count(f"deliveries:rejected:{rejection.code}")
        facts: dict[str, Any] = {}
        if delivery is not None and delivery.key:
            self._failed_attempts.add(delivery.entry.body, delivery.entry.received_at)
            # Redis may have stored it all the same: then the history names this id.
            facts = {"delivery_id": delivery.entry.delivery_id, **delivery.facts, "key": delivery.key}
        self._log.warning(
            "delivery.rejected",
            **facts,
            code=rejection.code,
            status=rejection.status,
            reason=rejection.message,
            **request[LOG_FACTS],
            **({} if rejection is error else {"cause": repr(error)}),
        )
        return rejection

    def misdirected(self, request: web.Request, error: AddressError) -> None:
        """Count and log what may be a delivery to a wrong address: Partoo will not repeat it."""
        self._metrics.count(f"deliveries:rejected:{error.code}")
        self._metrics.count(f"refused_requests:{error.mistake}")
        self._log.warning(
            "delivery.rejected",
            code=error.code,
            status=error.status,
            reason=MISTAKES[error.mistake],
            method=request.method,
            path=error.shown,
            signed=SIGNATURE_HEADER in request.headers,
            **request[LOG_FACTS],
        )

    def _acknowledged(self, deliveries: Sequence[Delivery], status: str) -> None:
        event, now = f"delivery.{status}", time.perf_counter()
        write = self._log.warning if status == "dead_letter" else self._log.info
        self._metrics.observe("ack_seconds", [now - delivery.started for delivery in deliveries])
        for delivery in deliveries:
            entry, facts = delivery.entry, delivery.facts
            if may_be_gone(delivery.request):
                # Then Partoo will send it again.
                self._failed_attempts.add(entry.body, entry.received_at)
                facts = {**facts, "acknowledged": False}
            write(
                event,
                delivery_id=entry.delivery_id,
                **facts,
                bytes=len(entry.body),
                key=delivery.key,
                ms=round((now - delivery.started) * 1000, 1),
                **delivery.request[LOG_FACTS],
            )
