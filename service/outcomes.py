"""What follows from the outcome of a delivery: it is counted, logged, and expected again if Partoo will repeat it."""

import time
from collections.abc import Sequence

import structlog
from aiohttp import web

from service.delivery import Delivery
from service.errors import ServiceError, as_service_error
from service.redeliveries import Redeliveries
from service.requests import LOG_FACTS
from service.tally import Tally

log = structlog.get_logger()


class Outcomes:
    def __init__(self, tally: Tally, redeliveries: Redeliveries) -> None:
        self._tally = tally
        self._redeliveries = redeliveries

    def accepted(self, deliveries: Sequence[Delivery]) -> None:
        """Note that deliveries are stored. Redis has counted them in the same step."""
        for delivery in deliveries:
            self._redeliveries.arrived(delivery.entry.body)
            self._acknowledged(delivery, "accepted")

    def acknowledged(self, delivery: Delivery, status: str) -> None:
        """Note that a delivery is acknowledged, with a status other than `accepted`."""
        self._tally.count(f"deliveries:{status}")
        self._acknowledged(delivery, status)

    def rejected(self, request: web.Request, delivery: Delivery | None, error: Exception) -> ServiceError:
        """Note that a request is not acknowledged, `delivery` being what is known of it; returns what to answer."""
        rejection = as_service_error(error)
        self._tally.count(f"deliveries:rejected:{rejection.code}")
        if delivery is not None and delivery.key:
            self._redeliveries.expect(delivery.entry.body, delivery.entry.received_at)
        log.warning(
            "delivery.rejected",
            code=rejection.code,
            status=rejection.status,
            reason=rejection.message,
            **request[LOG_FACTS],
            **({} if rejection is error else {"cause": repr(error)}),
        )
        return rejection

    def _acknowledged(self, delivery: Delivery, status: str) -> None:
        seconds = time.perf_counter() - delivery.started
        self._tally.observe("ack_seconds", seconds)
        facts = {**delivery.facts}
        if delivery.request.transport is None:
            # The client has hung up: it will send the same again.
            self._redeliveries.expect(delivery.entry.body, delivery.entry.received_at)
            facts["acknowledged"] = False
        log.info(
            f"delivery.{status}",
            delivery_id=delivery.entry.delivery_id,
            **facts,
            bytes=len(delivery.entry.body),
            key=delivery.key,
            ms=round(seconds * 1000, 1),
            **delivery.request[LOG_FACTS],
        )
