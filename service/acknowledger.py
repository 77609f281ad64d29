"""Group acknowledgement: deliveries that wait at the same moment share one atomic write to Redis.

While one write is under way, those that arrive wait for the next. Each gets its answer only after the write that holds
it; an error reaches each delivery of the group. A delivery that comes alone is written at once.
"""

import asyncio
from collections import deque

import msgspec

from mirror.domain.inbox import Entry
from mirror.storage import inbox
from mirror.storage.store import Store
from service.errors import NotStoredError
from service.nudger import Nudger
from service.pressure import Pressure

MAX_GROUP = 256
MAX_GROUP_BYTES = 4 * 1024 * 1024
# What may wait in this process before new deliveries are refused with 503.
MAX_WAITING = 2_000
MAX_WAITING_BYTES = 32 * 1024 * 1024
# A delivery that is not stored by then is refused with 503. The write itself goes on: cancelling a command would throw
# its connection away. Should it succeed after all, Partoo's redelivery is a duplicate, which changes nothing.
DEADLINE_S = 6.0


class _Waiting(msgspec.Struct):
    """A delivery on its way into Redis; `due` is when its patience ends, in seconds of the loop's clock."""

    review_id: int
    entry: Entry
    stored: "asyncio.Future[None]"
    due: float


class Acknowledger:
    def __init__(self, store: Store, nudger: Nudger, pressure: Pressure) -> None:
        self._store = store
        self._nudger = nudger
        self._pressure = pressure
        self._queue: deque[_Waiting] = deque()
        self._bytes = 0
        self._group: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None

    async def store(self, review_id: int, entry: Entry) -> None:
        """Return once the delivery is in Redis.

        Raises NearlyFullError if Redis is to be spared, NotStoredError if too many wait or the deadline passes, or one
        of `connection.UNAVAILABLE`.
        """
        self._pressure.check()
        if len(self._queue) >= MAX_WAITING or self._bytes + len(entry.body) > MAX_WAITING_BYTES:
            raise NotStoredError("too many deliveries wait to be stored; try again")
        loop = asyncio.get_running_loop()
        stored = loop.create_future()
        due = loop.time() + DEADLINE_S
        self._queue.append(_Waiting(review_id, entry, stored, due))
        self._bytes += len(entry.body)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        if self._deadline is None:
            self._deadline = loop.call_at(due, self._give_up)
        await stored

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

    def _next_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        size = 0
        while self._queue and len(group) < MAX_GROUP and size < MAX_GROUP_BYTES:
            waiting = self._queue.popleft()
            size += len(waiting.entry.body)
            # One whose deadline has passed was answered with 503 and will come again.
            if not waiting.stored.done():
                group.append(waiting)
        self._bytes -= size
        return group

    async def _write(self, group: list[_Waiting]) -> None:
        if not group:
            return
        try:
            nudge_due = await inbox.accept(self._store, [(waiting.review_id, waiting.entry) for waiting in group])
        except Exception as error:  # noqa: BLE001 - whatever it is, each delivery of the group gets it
            for waiting in group:
                if not waiting.stored.done():
                    waiting.stored.set_exception(error)
            return
        self._pressure.stored(sum(len(waiting.entry.body) for waiting in group))
        for waiting in group:
            if not waiting.stored.done():
                waiting.stored.set_result(None)
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
            if waiting.stored.done():
                continue
            if waiting.due > now:
                self._deadline = loop.call_at(waiting.due, self._give_up)
                return
            waiting.stored.set_exception(NotStoredError("Redis is too slow; try again"))
