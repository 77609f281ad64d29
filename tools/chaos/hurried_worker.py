"""A worker whose claims end and whose sweeps and retries come sooner than in production: a run need not wait for them.

`python -m tools.chaos.hurried_worker`. All else is the worker's own.
"""

import sys

from mirror.bootstrap import run
from mirror.domain import outgoing
from mirror.storage import keys
from worker import jobs, supervisor

if __name__ == "__main__":
    keys.LEASE_MS = 1_000
    outgoing.RETRY_AFTER_MS = (200, 500, 1_000, 2_000)
    jobs.SWEEP_SECONDS = frozenset(range(60))
    sys.exit(run(supervisor.run))
