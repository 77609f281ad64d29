"""`POST /webhooks/partoo`: takes one delivery from its raw body to its answer."""

import time
from collections.abc import Sequence

from aiohttp import web

from mirror.domain.dead_letters import dead_letter
from mirror.domain.forgetting import told_review_id
from mirror.domain.wire import UndecodableError
from mirror.storage import dead_letters, forgetting, inbox
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.store import Store
from service.errors import ServiceError, json_response
from service.webhook.address import AddressError, check, may_deliver
from service.webhook.body import BodyReader
from service.webhook.delivery import Delivery, make_delivery
from service.webhook.intake import Intake
from service.webhook.memory_guard import MemoryGuard
from service.webhook.outcomes import Outcomes


class Webhook:
    """Requests must carry one of the `secrets`, unless that is None."""

    def __init__(
        self, secrets: Sequence[str] | None, store: Store, memory: MemoryGuard, intake: Intake, outcomes: Outcomes
    ) -> None:
        self._secrets = secrets
        self._store = store
        self._memory = memory
        self._intake = intake
        self._outcomes = outcomes
        self._bodies = BodyReader()

    async def receive(self, request: web.Request) -> web.Response:
        """Verify, read and store a delivery, then acknowledge it: no 200 before it is in Redis."""
        started = time.perf_counter()
        delivery = None
        try:
            check(request, self._secrets)
            delivery = await self._delivery(request, started)
            status = await self._take(delivery)
        except AddressError as error:
            if may_deliver(request):
                self._outcomes.misdirected(request, error)
            raise
        except (ServiceError, StorageUnavailableError) as error:
            raise self._outcomes.rejected(request, delivery, error) from None
        return json_response({"status": status, "delivery_id": delivery.entry.delivery_id})

    async def _delivery(self, request: web.Request, started: float) -> Delivery:
        """Read and date a delivery. Where Redis's time is not known it gets a guess: it may need no storing."""
        body = await self._bodies.read(request)
        try:
            return make_delivery(request, body, started, await self._store.now())
        except StorageUnavailableError as error:
            delivery = make_delivery(request, body, started, self._store.clock.guess())
            delivery.undated = error
            return delivery

    async def _take(self, delivery: Delivery) -> str:
        """Wait until the delivery may be acknowledged; return the answer's status."""
        self._intake.take(delivery)
        try:
            status = await delivery.done
        except UndecodableError as error:
            self._memory.check()
            if delivery.undated is not None:
                raise delivery.undated from None
            return await self._keep(delivery, error)
        if status != "accepted":
            self._outcomes.acknowledged(delivery, status)
        return status

    async def _keep(self, delivery: Delivery, error: UndecodableError) -> str:
        """Keep a body that cannot be decoded as a dead letter, unless it is about a review that was forgotten."""
        entry = delivery.entry
        review_id = told_review_id(entry.body) if error.review_id is None else error.review_id
        about = {} if review_id is None else {"review_id": review_id}
        facts = {"code": error.code, "reason": str(error), **about}
        if review_id is not None and not await forgetting.not_forgotten(self._store, [review_id]):
            # Nothing of it may stay: a worker counts it as forgotten, and discards it.
            await inbox.put(self._store, [(review_id, entry)], "deliveries:accepted")
            delivery.facts = facts
            self._outcomes.accepted([delivery])
            return "accepted"
        await dead_letters.keep(self._store, dead_letter(entry, error.code, str(error), review_id))
        delivery.facts = facts
        self._outcomes.acknowledged(delivery, "dead_letter")
        return "dead_letter"
