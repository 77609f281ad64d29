"""`python -m worker`: the process that applies what waits."""

import argparse
import sys

from mirror.bootstrap import run
from worker import supervisor


def main() -> int:
    argparse.ArgumentParser(
        prog="python -m worker",
        description="The worker: applies what the web processes have stored. Everything is configured by environment "
        "variables; .env.example lists them.",
    ).parse_args()
    return run(supervisor.run)


if __name__ == "__main__":
    sys.exit(main())
