"""A web process that kills itself with SIGKILL after its first write to Redis, before any delivery of it is answered.

`python -m tests.process.crashing_service`. The write itself is the real one.
"""

import os
import signal
import sys
from collections.abc import Sequence

from mirror.bootstrap import run
from mirror.domain.inbox import Entry
from mirror.storage import inbox
from mirror.storage.store import Store
from service.server import serve

_accept = inbox.accept


async def _accept_and_die(
    store: Store, deliveries: Sequence[tuple[int, Entry]], counter: str = "deliveries:accepted"
) -> bool:
    await _accept(store, deliveries, counter)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


if __name__ == "__main__":
    inbox.accept = _accept_and_die
    sys.exit(run(serve))
