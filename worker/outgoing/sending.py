"""Sends outgoing webhooks as long as this process runs.

On connections of its own, and beside arq: Redis's absence, which ends arq's worker, ends no sender, so that nothing
that was answered meanwhile is sent again.
"""

import asyncio
from contextlib import suppress

import structlog

from mirror.alerting.notifier import Notifier
from mirror.outgoing.client import OutgoingClient
from mirror.settings import Settings
from mirror.stopping import cancel_and_wait
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.store import Store
from worker.outgoing.senders import Senders

# One follows the feed and writes down how far the sending has come, one reads what the events stand for.
CONNECTIONS = 2
_PAUSE_S = 1.0

log = structlog.get_logger()


def connections(settings: Settings) -> int:
    """Tell how many of a worker's connections are for this: most are for applying what was delivered."""
    return min(CONNECTIONS, settings.redis_max_connections - 2)


async def keep_sending(
    store: Store, client: OutgoingClient, name: str, stop: asyncio.Event, notifier: Notifier | None = None
) -> None:
    """Send until told to stop; what is on its way then may end. Closes `store` and `client`.

    `notifier` tells the operator beside that: it must go on while arq's worker is built anew.
    """
    senders = Senders(store, client, name, store.clock.read)
    running = asyncio.create_task(_run(store, senders))
    telling = [] if notifier is None else [asyncio.create_task(notifier.run())]
    try:
        await stop.wait()
        await senders.stop()
    finally:
        await cancel_and_wait(running, *telling)
        await client.close()
        with suppress(StorageUnavailableError):
            await store.close()


async def _run(store: Store, senders: Senders) -> None:
    while True:
        try:
            # Senders read the clock without waiting.
            await store.now()
            await senders.run()
        except StorageUnavailableError:
            await asyncio.sleep(_PAUSE_S)
        except Exception:
            log.exception("endpoints.failed")
            await asyncio.sleep(_PAUSE_S)
