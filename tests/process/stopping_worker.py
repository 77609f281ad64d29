"""A worker process that is told to stop, twice, while its first commit is under way.

`python -m tests.process.stopping_worker before|after`: SIGTERM comes before the write reaches Redis, or before its
answer reaches the worker. The commit itself is the real one.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from mirror.bootstrap import run
from mirror.domain.incidents import DEFAULT_THRESHOLDS, Thresholds
from mirror.storage.commit import Commit, commit
from mirror.storage.store import Store
from worker import drain, supervisor

# Long enough for the signal to be handled, while the commit is still under way.
PAUSE_S = 0.2


async def _commit_and_stop(
    store: Store, commits: Sequence[Commit], now: int, retention: int = 0, thresholds: Thresholds = DEFAULT_THRESHOLDS
) -> list[bool | str]:
    drain.commit = commit  # type: ignore[attr-defined]
    if sys.argv[1] == "before":
        await _be_told()
        return await commit(store, commits, now, retention, thresholds)
    answers = await commit(store, commits, now, retention, thresholds)
    await _be_told()
    return answers


async def _be_told() -> None:
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(PAUSE_S)


if __name__ == "__main__":
    drain.commit = _commit_and_stop  # type: ignore[attr-defined]
    sys.exit(run(supervisor.run))
