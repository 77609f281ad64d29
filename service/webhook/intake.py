"""Verifying and reading deliveries: those that arrive in one turn of the event loop together, step by step.

A step for all of them comes before the next step for any: code that runs over and over finds itself and its data in the
processor's caches (docs/performance.md says what that gained). A delivery that comes alone waits for nobody, and where
many come at once, the first of them are on their way to Redis while the others are verified.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from mirror.domain.signature import PublicKey, SignatureError, verify
from mirror.domain.wire import SIGNATURE_HEADER, TRYOUT_HEADER, identify
from service.errors import ServiceError
from service.webhook.delivery import Delivery

# How many are taken at a time: all at once, and this process would have nothing to do while Redis stores them.
MAX_TOGETHER = 32
_MAX_TYPE_CHARS = 100


class Acknowledging(Protocol):
    """What the intake hands deliveries on to: `BatchWriter`, of which it needs no more."""

    def add(self, delivery: Delivery, /) -> None: ...


class Intake:
    """`offered` tells of a body when it was first offered, if that is known here."""

    def __init__(
        self, keys: Sequence[PublicKey], acknowledger: Acknowledging, offered: Callable[[bytes], int | None]
    ) -> None:
        self._keys = keys
        self._acknowledger = acknowledger
        self._offered = offered
        self._arrived: list[Delivery] = []

    def take(self, delivery: Delivery) -> None:
        """Have the delivery verified, read and, if it is about a review, stored.

        Its `done` becomes `accepted`, `ignored` or `tryout`, or raises: ServiceError, 401 if nobody vouches for it;
        UndecodableError if it cannot be read; or what `BatchWriter.add` says.
        """
        self._arrived.append(delivery)
        if len(self._arrived) == 1:
            asyncio.get_running_loop().call_soon(self._take_some)

    def _take_some(self) -> None:
        deliveries, self._arrived = self._arrived[:MAX_TOGETHER], self._arrived[MAX_TOGETHER:]
        if self._arrived:
            asyncio.get_running_loop().call_soon(self._take_some)
        for step in (self._verify, self._read, self._acknowledger.add):
            for delivery in deliveries:
                if not delivery.done.done():
                    _do(step, delivery)

    def _verify(self, delivery: Delivery) -> None:
        signatures = delivery.request.headers.getall(SIGNATURE_HEADER, [])
        try:
            delivery.key = verify(self._keys, delivery.entry.body, signatures).name
        except SignatureError as error:
            raise ServiceError(401, error.code, str(error)) from None

    def _read(self, delivery: Delivery) -> None:
        if TRYOUT_HEADER in delivery.request.headers:
            delivery.done.set_result("tryout")
            return
        event_type, review_id = identify(delivery.entry.body)
        if review_id is None:
            delivery.facts = {"type": event_type[:_MAX_TYPE_CHARS]}
            delivery.done.set_result("ignored")
        else:
            delivery.facts = {"type": event_type, "review_id": review_id}
            delivery.review_id = review_id
            first_attempt_at = self._offered(delivery.entry.body)
            if first_attempt_at is not None:
                delivery.entry = msgspec.structs.replace(delivery.entry, first_attempt_at=first_attempt_at)


def _do(step: Callable[[Delivery], None], delivery: Delivery) -> None:
    """Do a step of a delivery. What goes wrong with it is no other's concern."""
    try:
        step(delivery)
    except Exception as error:  # noqa: BLE001 - whatever it is, the delivery's handler gets it
        delivery.done.set_exception(error)
