"""Stores deliveries in batches: those that wait at the same moment share one atomic write to Redis.

Deliveries that arrive while a write is under way wait for the next one. Each is answered only after the write that
holds it; an error reaches each delivery of the batch. A delivery that comes alone is written at once.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from mirror.storage import inbox
from mirror.storage.store import Store
from service.errors import NotStoredError
from service.webhook.delivery import Delivery
from service.webhook.memory_guard import MemoryGuard
from service.webhook.worker_notifier import WorkerNotifier

MAX_BATCH = 256
MAX_BATCH_BYTES = 4 * 1024 * 1024
# What may wait in this process before new deliveries are refused with 503.
MAX_WAITING = 2_000
MAX_WAITING_BYTES = 32 * 1024 * 1024
# A delivery that is not stored by then is refused with 503. The write itself goes on: cancelling a command would throw
# its connection away. Should it succeed after all, Partoo's redelivery is a duplicate, which changes nothing.
DEADLINE_S = 6.0


class BatchWriter:
    """Calls `on_stored` with the deliveries of each batch that were stored before their deadline."""

    def __init__(
        self,
        store: Store,
        notifier: WorkerNotifier,
        memory: MemoryGuard,
        on_stored: Callable[[Sequence[Delivery]], None],
    ) -> None:
        self._store = store
        self._notifier = notifier
        self._memory = memory
        self._on_stored = on_stored
        self._queue: deque[Delivery] = deque()
        self._bytes = 0
        self._batch: list[Delivery] = []
        self._writer: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def add(self, delivery: Delivery) -> None:
        """Have a delivery stored: its `done` becomes `accepted` once it is in Redis.

        Raises NearlyFullError if Redis is nearly full, NotStoredError if too many wait. `done` raises NotStoredError
        if the deadline passes.
        """
        self._memory.check()
        if delivery.undated is not None:
            raise NotStoredError("Redis cannot be asked for the time; try again") from delivery.undated
        size = len(delivery.entry.body)
        if len(self._queue) >= MAX_WAITING or self._bytes + size > MAX_WAITING_BYTES:
            raise NotStoredError("too many deliveries wait to be stored; try again")
        loop = asyncio.get_running_loop()
        delivery.deadline = loop.time() + DEADLINE_S
        self._queue.append(delivery)
        self._bytes += size
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        if self._timer is None:
            self._timer = loop.call_at(delivery.deadline, self._give_up)

    async def close(self) -> None:
        """Write whatever still waits."""
        if self._writer is not None:
            await self._writer

    async def _write_all(self) -> None:
        try:
            while self._queue:
                self._batch = self._next_batch()
                await self._write(self._batch)
        finally:
            self._batch = []
            self._writer = None

    def _next_batch(self) -> list[Delivery]:
        batch: list[Delivery] = []
        size = 0
        while self._queue and len(batch) < MAX_BATCH and size < MAX_BATCH_BYTES:
            delivery = self._queue.popleft()
            size += len(delivery.entry.body)
            # One whose deadline has passed was answered with 503 and will come again.
            if not delivery.done.done():
                batch.append(delivery)
        self._bytes -= size
        return batch

    async def _write(self, batch: list[Delivery]) -> None:
        if not batch:
            return
        try:
            nudge_due = await inbox.accept(self._store, [(delivery.review_id, delivery.entry) for delivery in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, each delivery of the batch gets it
            for delivery in batch:
                if not delivery.done.done():
                    delivery.done.set_exception(error)
            return
        self._memory.stored(sum(len(delivery.entry.body) for delivery in batch))
        in_time = [delivery for delivery in batch if not delivery.done.done()]
        # Not called here: an error in it must not keep the deliveries from being answered.
        asyncio.get_running_loop().call_soon(self._on_stored, in_time)
        for delivery in in_time:
            delivery.done.set_result("accepted")
        if nudge_due:
            self._notifier.nudge()

    def _give_up(self) -> None:
        """Refuse deliveries whose deadline has passed, and set the timer to the next deadline.

        One timer serves all: most deliveries are stored a thousand times sooner than it would fire.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._timer = None
        for delivery in (*self._batch, *self._queue):
            if delivery.done.done():
                continue
            if delivery.deadline > now:
                self._timer = loop.call_at(delivery.deadline, self._give_up)
                return
            delivery.done.set_exception(NotStoredError("Redis is too slow; try again"))
