"""Verifies and reads deliveries that arrive together, in batches of up to 32.

Each step is done for the whole batch before the next one, so that its code and data stay in the processor's caches
(docs/performance.md gives the gain). A delivery that comes alone does not wait. Where many come at once, the first are
on their way to Redis while the others are verified.
"""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from mirror.domain.signature import PublicKey, SignatureError, verify
from mirror.domain.wire import SIGNATURE_HEADER, TRYOUT_HEADER, identify
from service.errors import ServiceError
from service.webhook.delivery import Delivery

# Not all at once: this process would have nothing to do while Redis stores them.
MAX_BATCH = 32
_MAX_TYPE_CHARS = 100


class Intake:
    """Hands deliveries that are about a review on to `store`, a function like `BatchWriter.add`.

    `first_attempt` returns when a body was first sent (ms since 1970 UTC), if this process refused it then.
    """

    def __init__(
        self,
        keys: Sequence[PublicKey],
        store: Callable[[Delivery], None],
        first_attempt: Callable[[bytes], int | None],
    ) -> None:
        self._keys = keys
        self._store = store
        self._first_attempt = first_attempt
        self._arrived: list[Delivery] = []

    def take(self, delivery: Delivery) -> None:
        """Have the delivery verified, read and, if it is about a review, stored.

        Its `done` becomes `accepted`, `ignored` or `tryout`, or raises: ServiceError, 401 if its signature is missing
        or wrong; UndecodableError if it cannot be read; or what `BatchWriter.add` says.
        """
        self._arrived.append(delivery)
        if len(self._arrived) == 1:
            asyncio.get_running_loop().call_soon(self._take_batch)

    def _take_batch(self) -> None:
        deliveries, self._arrived = self._arrived[:MAX_BATCH], self._arrived[MAX_BATCH:]
        if self._arrived:
            asyncio.get_running_loop().call_soon(self._take_batch)
        for step in (self._verify, self._read, self._store):
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
            first_attempt_at = self._first_attempt(delivery.entry.body)
            if first_attempt_at is not None:
                delivery.entry = msgspec.structs.replace(delivery.entry, first_attempt_at=first_attempt_at)


def _do(step: Callable[[Delivery], None], delivery: Delivery) -> None:
    """Do one step for one delivery. An error in it reaches this delivery's handler alone."""
    try:
        step(delivery)
    except Exception as error:  # noqa: BLE001 - whatever it is, the delivery's handler gets it
        delivery.done.set_exception(error)
