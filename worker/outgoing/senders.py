"""Keeps a sender running for each active endpoint whose lease this process gets."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from mirror.domain.outgoing import Endpoint, State
from mirror.outgoing.client import TIMEOUT_S, OutgoingClient
from mirror.stopping import cancel_and_wait
from mirror.storage import endpoints
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.store import Store
from worker.outgoing.follower import Follower
from worker.outgoing.progress import LostError
from worker.outgoing.sender import Means, Sender

# How often endpoints are looked for, and leases renewed.
INTERVAL_S = 1.0
# An attempt may take as long as its time-out.
STOP_PATIENCE_S = TIMEOUT_S + 2

log = structlog.get_logger()


class Senders:
    """All senders of this process."""

    def __init__(self, store: Store, client: OutgoingClient, holder: str, now: Callable[[], int]) -> None:
        self._store = store
        self._means = Means(store, Follower(store), client, holder, now)
        self._running: dict[str, tuple[Sender, asyncio.Task[None]]] = {}
        self._stopping = False

    async def run(self) -> None:
        """Keep senders running until cancelled; `stop` comes before that."""
        following: asyncio.Task[None] | None = None
        try:
            while True:
                try:
                    await self._look()
                except StorageUnavailableError as error:
                    log.warning("endpoints.interrupted", error=repr(error))
                if self._running and following is None:
                    following = asyncio.create_task(self._means.follower.run())
                elif not self._running and following is not None:
                    await cancel_and_wait(following)
                    following = None
                await asyncio.sleep(INTERVAL_S)
        finally:
            await cancel_and_wait(*(task for _, task in self._running.values()), *([following] if following else []))

    async def stop(self) -> None:
        """Let what is on its way end, write down what became of it, and give up the leases."""
        self._stopping = True
        stopped = dict(self._running)
        for sender, _ in stopped.values():
            sender.stop()
        if stopped:
            await asyncio.wait([task for _, task in stopped.values()], timeout=STOP_PATIENCE_S)
            await cancel_and_wait(*(task for _, task in stopped.values()))
        for endpoint_id in stopped:
            with suppress(StorageUnavailableError):
                await endpoints.hold(self._store, endpoint_id, self._means.holder, 0)

    async def _look(self) -> None:
        """Renew the leases, and start and stop senders; waits for none of them, so that none holds up another."""
        if self._stopping:
            return
        active = {one.id: one for one in await endpoints.all_endpoints(self._store) if one.state is State.ACTIVE}
        for endpoint_id, (sender, task) in list(self._running.items()):
            if task.done():
                del self._running[endpoint_id]
            elif active.get(endpoint_id) != sender.endpoint:
                sender.stop()
        for endpoint_id in {*active, *self._running}:
            held = await endpoints.hold(self._store, endpoint_id, self._means.holder)
            if endpoint_id in self._running:
                if not held:
                    self._running[endpoint_id][0].stop()
            elif held and not self._stopping:
                self._start(active[endpoint_id])

    def _start(self, endpoint: Endpoint) -> None:
        sender = Sender(self._means, endpoint)
        self._running[endpoint.id] = sender, asyncio.create_task(self._send(sender))

    async def _send(self, sender: Sender) -> None:
        try:
            await sender.run()
        except LostError:
            log.info("endpoint.lost", endpoint=sender.endpoint.id)
        except StorageUnavailableError as error:
            log.warning("endpoint.interrupted", endpoint=sender.endpoint.id, error=repr(error))
