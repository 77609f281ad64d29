"""A plan played over HTTP: each delivery leaves when it is due, and is acknowledged or lost as Partoo documents it."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from aiohttp import ClientError, ClientSession, ClientTimeout

from tools.simulator.clock import SimulatedClock
from tools.simulator.planning.plan import Part, PlannedDelivery
from tools.simulator.planning.wire import Wire
from tools.simulator.playing import Target
from tools.simulator.report import reason_of_loss
from tools.simulator.sending import deliver
from tools.simulator.tally import Tally
from tools.simulator.wire import SignedEvent, sign_event

_UNTIL_HANGING_UP_S = 0.001
# How long the other side has to read what was sent before its sender hung up, before anything newer is sent.
_AFTER_HANGING_UP_S = 0.02


class Player:
    """Sends planned deliveries, at most `wire.concurrency` at once; those of one review one after the other.

    `tally` counts what becomes of them.
    """

    def __init__(
        self,
        session: ClientSession,
        target: Target,
        wire: Wire,
        clock: SimulatedClock,
        tally: Tally,
    ) -> None:
        self._session = session
        self._target = target
        self._wire = wire
        self._clock = clock
        self._tally = tally
        self._free = asyncio.Semaphore(wire.concurrency)
        self._under_way: set[asyncio.Task[None]] = set()
        self._last_of: dict[int, asyncio.Task[None]] = {}
        self._failure: BaseException | None = None

    async def play(self, planned: Sequence[PlannedDelivery], on_progress: Callable[[float], None]) -> None:
        """Send everything in order and return once the last delivery is acknowledged or lost.

        `on_progress` hears of each moment of simulated time that has come.
        """
        for delivery in planned:
            await asyncio.sleep(self._clock.real_seconds_until(delivery.at))
            self._clock.reach(delivery.at)
            await self._launch_when_free(delivery)
            on_progress(delivery.at)
        await self.wait()

    def announce(self, delivery: PlannedDelivery) -> None:
        """Send a delivery that no plan knew, as soon as there is room for it."""
        task = asyncio.create_task(self._launch_when_free(delivery))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def wait(self) -> None:
        """Return once nothing is under way. Raises what no delivery should have raised."""
        while self._under_way:
            await asyncio.wait(self._under_way)
        if self._failure is not None:
            raise self._failure

    async def stop(self) -> None:
        """Break off what is under way."""
        for task in self._under_way:
            task.cancel()
        await self.wait()

    async def _launch_when_free(self, delivery: PlannedDelivery) -> None:
        await self._free.acquire()
        self._launch(delivery)

    def _launch(self, delivery: PlannedDelivery) -> None:
        before = None if self._wire.side_by_side else self._last_of.get(delivery.review_id)
        task = asyncio.create_task(self._send_after(before, delivery))
        self._under_way.add(task)
        self._last_of[delivery.review_id] = task
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._free.release()
        self._under_way.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()

    async def _send_after(self, before: "asyncio.Task[None] | None", planned: PlannedDelivery) -> None:
        if before is not None:
            await asyncio.wait([before])
        event = sign_event(planned.body, self._target.signer, planned.headers)
        if planned.part is Part.UNACKNOWLEDGED:
            await self._lose_acknowledgement(event, hangs_up=planned.hangs_up)
            self._tally.count_unacknowledged(planned)
            return
        delivery = await deliver(self._session, self._target.url, event, self._target.policy)
        loss = None if delivery.acknowledged else f"review {planned.review_id}: {reason_of_loss(delivery)}"
        self._tally.count(planned, delivery, loss)

    async def _lose_acknowledgement(self, event: SignedEvent, *, hangs_up: bool) -> None:
        """Send the whole body, and ignore the answer or hang up before there is one."""
        policy = self._target.policy
        # `sock_read` counts from the moment the body is written.
        timeout = ClientTimeout(total=policy.timeout, sock_read=_UNTIL_HANGING_UP_S if hangs_up else None)
        with suppress(ClientError, OSError):
            async with self._session.post(
                self._target.url, data=event.body, headers=event.headers, timeout=timeout, allow_redirects=False
            ) as response:
                await response.read()
        if hangs_up:
            await asyncio.sleep(_AFTER_HANGING_UP_S)
