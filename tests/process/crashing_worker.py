"""A worker process that kills itself with SIGKILL at its first commit: just before it, or just after it.

`python -m tests.process.crashing_worker before|after`. The commit itself is the real one.
"""

import os
import signal
import sys
from collections.abc import Sequence

from mirror.bootstrap import run
from mirror.domain.incidents import DEFAULT_THRESHOLDS, Thresholds
from mirror.storage import keys
from mirror.storage.commit import Commit, commit
from mirror.storage.store import Store
from worker import drain, supervisor


async def _commit_and_die(
    store: Store,
    commits: Sequence[Commit],
    now: int,
    retention: int = 0,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> list[bool | str]:
    if sys.argv[1] == "after":
        await commit(store, commits, now, retention, thresholds)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


if __name__ == "__main__":
    drain.commit = _commit_and_die  # type: ignore[attr-defined]
    # The next worker need not wait as long as in production for the claim of a dead one to end.
    keys.LEASE_MS = 300
    sys.exit(run(supervisor.run))
