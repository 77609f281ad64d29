"""Group acknowledgement: deliveries that wait at the same moment share one atomic write to Redis.

While one write is under way, those that arrive wait for the next. Each gets its answer only after the write that holds
it; an error reaches each delivery of the group. A delivery that comes alone is written at once.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from mirror.domain.inbox import Entry
from mirror.storage import inbox
from mirror.storage.store import Store
from service.errors import NotStoredError
from service.webhook.memory_guard import MemoryGuard
from service.webhook.worker_notifier import WorkerNotifier

MAX_GROUP = 256
MAX_GROUP_BYTES = 4 * 1024 * 1024
# What may wait in this process before new deliveries are refused with 503.
MAX_WAITING = 2_000
MAX_WAITING_BYTES = 32 * 1024 * 1024
# A delivery that is not stored by then is refused with 503. The write itself goes on: cancelling a command would throw
# its connection away. Should it succeed after all, Partoo's redelivery is a duplicate, which changes nothing.
DEADLINE_S = 6.0


W = TypeVar("W", bound="Waiting")


class Waiting(msgspec.Struct, kw_only=True, eq=False):
    """A delivery on its way into Redis.

    `review_id`: the review it is about, set by the time it is added. `done` gets the status to answer, or the error
    that kept it from being stored. `undated`: why Redis's time is not known, so that it must not be stored.
    `due`: when its patience ends, in seconds of the loop's clock.
    """

    entry: Entry
    done: "asyncio.Future[str]"
    review_id: int = 0
    due: float = 0.0
    undated: Exception | None = None


class BatchWriter(Generic[W]):
    """`stored` is told of those of each group that were stored in time, before they are answered."""

    def __init__(
        self, store: Store, nudger: WorkerNotifier, pressure: MemoryGuard, stored: Callable[[Sequence[W]], None]
    ) -> None:
        self._store = store
        self._nudger = nudger
        self._pressure = pressure
        self._stored = stored
        self._queue: deque[W] = deque()
        self._bytes = 0
        self._group: list[W] = []
        self._writer: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def add(self, delivery: W) -> None:
        """Have a delivery stored: its `done` becomes `accepted` once it is in Redis.

        Raises NearlyFullError if Redis is to be spared, NotStoredError if too many wait. `done` raises NotStoredError
        if the deadline passes, or one of `connection.UNAVAILABLE`.
        """
        self._pressure.check()
        if delivery.undated is not None:
            raise NotStoredError("Redis cannot be asked for the time; try again") from delivery.undated
        size = len(delivery.entry.body)
        if len(self._queue) >= MAX_WAITING or self._bytes + size > MAX_WAITING_BYTES:
            raise NotStoredError("too many deliveries wait to be stored; try again")
        loop = asyncio.get_running_loop()
        delivery.due = loop.time() + DEADLINE_S
        self._queue.append(delivery)
        self._bytes += size
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        if self._deadline is None:
            self._deadline = loop.call_at(delivery.due, self._give_up)

    async def close(self) -> None:
        """Wait for the write under way, with whatever still waits."""
        if self._writer is not None:
            await self._writer

    async def _write_all(self) -> None:
        try:
            while self._queue:
                self._group = self._next_group()
                await self._write(self._group)
        finally:
            self._group = []
            self._writer = None

    def _next_group(self) -> list[W]:
        group: list[W] = []
        size = 0
        while self._queue and len(group) < MAX_GROUP and size < MAX_GROUP_BYTES:
            waiting = self._queue.popleft()
            size += len(waiting.entry.body)
            # One whose deadline has passed was answered with 503 and will come again.
            if not waiting.done.done():
                group.append(waiting)
        self._bytes -= size
        return group

    async def _write(self, group: list[W]) -> None:
        if not group:
            return
        try:
            nudge_due = await inbox.accept(self._store, [(waiting.review_id, waiting.entry) for waiting in group])
        except Exception as error:  # noqa: BLE001 - whatever it is, each delivery of the group gets it
            for waiting in group:
                if not waiting.done.done():
                    waiting.done.set_exception(error)
            return
        self._pressure.stored(sum(len(waiting.entry.body) for waiting in group))
        in_time = [waiting for waiting in group if not waiting.done.done()]
        # Not called here: what goes wrong with telling of them must not keep them from being answered.
        asyncio.get_running_loop().call_soon(self._stored, in_time)
        for waiting in in_time:
            waiting.done.set_result("accepted")
        if nudge_due:
            self._nudger.nudge()

    def _give_up(self) -> None:
        """Refuse what has waited past its deadline, and look again when the next one's is due.

        One timer for all: most deliveries are stored a thousand times sooner than it would fire.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._deadline = None
        for waiting in (*self._group, *self._queue):
            if waiting.done.done():
                continue
            if waiting.due > now:
                self._deadline = loop.call_at(waiting.due, self._give_up)
                return
            waiting.done.set_exception(NotStoredError("Redis is too slow; try again"))
