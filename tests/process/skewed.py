"""A process whose system clock is wrong by so many seconds. `python -m tests.process.skewed SECONDS service|worker`."""

import sys
import time

_OFF_S = int(sys.argv[1])
_right, _right_ns = time.time, time.time_ns
# Before anything is imported that takes the function for itself, as arq does.
time.time = lambda: _right() + _OFF_S
time.time_ns = lambda: _right_ns() + _OFF_S * 1_000_000_000

from mirror.bootstrap import run  # noqa: E402
from service.server import serve  # noqa: E402
from worker import supervisor  # noqa: E402

if __name__ == "__main__":
    sys.exit(run(serve if sys.argv[2] == "service" else supervisor.run))
