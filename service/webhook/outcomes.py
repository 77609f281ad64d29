"""What follows from the outcome of a delivery: it is counted, logged, and expected again if Partoo will repeat it."""

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
from service.webhook.failed_attempts import Redeliveries
from service.webhook.metrics_buffer import MetricsBuffer

# What was wrong with an address. The request may have been an event, which Partoo will not send again.
MISTAKES = {
    "path": "nothing takes deliveries at this path: check the URL of the webhook at Partoo",
    "method": "deliveries are taken by POST alone",
    "secret": "neither the path nor ?key= nor X-Webhook-Secret holds a secret of PARTOO_WEBHOOK_SECRET",
}


class Outcomes:
    def __init__(self, tally: MetricsBuffer, redeliveries: Redeliveries) -> None:
        self._tally = tally
        self._redeliveries = redeliveries
        # Bound once: a logger of structlog's own making binds anew for each line.
        self._log = structlog.get_logger().bind()

    def accepted(self, deliveries: Sequence[Delivery]) -> None:
        """Note that deliveries are stored. Redis has counted them in the same step."""
        for delivery in deliveries:
            self._redeliveries.arrived(delivery.entry.body)
        self._acknowledged(deliveries, "accepted")

    def acknowledged(self, delivery: Delivery, status: str) -> None:
        """Note that a delivery is acknowledged, with a status other than `accepted`."""
        self._tally.count(f"deliveries:{status}")
        self._acknowledged([delivery], status)

    def rejected(self, request: web.Request, delivery: Delivery | None, error: Exception) -> ServiceError:
        """Note that a request is not acknowledged, `delivery` being what is known of it; returns what to answer."""
        rejection = as_service_error(error)
        self._tally.count(f"deliveries:rejected:{rejection.code}")
        facts: dict[str, Any] = {}
        if delivery is not None and delivery.key:
            self._redeliveries.expect(delivery.entry.body, delivery.entry.received_at)
            # Redis may have stored it all the same, so its id may yet stand in a history.
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
        """Note that what may be a delivery came to a wrong address, and that Partoo will not send it again."""
        self._tally.count(f"deliveries:rejected:{error.code}")
        self._tally.count(f"refused_requests:{error.mistake}")
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
        tell = self._log.warning if status == "dead_letter" else self._log.info
        self._tally.observe("ack_seconds", [now - delivery.started for delivery in deliveries])
        for delivery in deliveries:
            entry, facts = delivery.entry, delivery.facts
            if may_be_gone(delivery.request):
                # It will send the same again then.
                self._redeliveries.expect(entry.body, entry.received_at)
                facts = {**facts, "acknowledged": False}
            tell(
                event,
                delivery_id=entry.delivery_id,
                **facts,
                bytes=len(entry.body),
                key=delivery.key,
                ms=round((now - delivery.started) * 1000, 1),
                **delivery.request[LOG_FACTS],
            )
