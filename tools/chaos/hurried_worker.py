"""A worker whose claims end and whose sweeps come sooner than in production: a short run need not wait for them.

`python -m tools.chaos.hurried_worker`. All else is the worker's own.
"""

import sys

from mirror.bootstrap import run
from mirror.storage import keys
from worker import jobs, supervisor

if __name__ == "__main__":
    keys.LEASE_MS = 1_000
    jobs.SWEEP_SECONDS = frozenset(range(60))
    sys.exit(run(supervisor.run))
