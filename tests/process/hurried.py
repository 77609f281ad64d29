"""`python -m tests.process.hurried service|worker`: the process, but what is wrong is noticed and told sooner."""

import sys

from mirror.alerting import conditions, notifier
from mirror.bootstrap import run
from mirror.domain import notices
from mirror.storage import keys, workers
from service.server import serve
from worker import jobs, supervisor, verification

if __name__ == "__main__":
    notifier.INTERVAL_S = 0.3
    notices.CALM_MS, notices.MOST_SENT = 1_000, 100
    conditions.PATIENCE_MS.update(dict.fromkeys(conditions.PATIENCE_MS, 1_500))
    keys.HEARTBEAT_INTERVAL_MS = 500
    keys.WORKER_ALIVE_MS = 2_000
    keys.NOTICES_LEASE_MS = 2_000
    workers.OVERLAP_MS = 0
    verification.REFUSED_RETRY_MS = 1_000
    jobs.SILENCE_SECONDS = jobs.VERIFY_SECONDS = frozenset(range(60))
    sys.exit(run(supervisor.run if sys.argv[1] == "worker" else serve))
