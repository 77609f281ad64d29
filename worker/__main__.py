import sys

from mirror.bootstrap import run
from worker import supervisor

if __name__ == "__main__":
    sys.exit(run(supervisor.run))
