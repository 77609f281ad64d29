"""`python -m tools.dev demo`, `python -m tools.dev run` and `python -m tools.dev screenshots`."""

import argparse
import signal
import sys

from mirror.settings import SettingsError
from mirror.stopping import stop_signals
from mirror.storage.embedded import EmbeddedRedisError
from tools.dev import demo, screenshots, stay

_MAINS = {"demo": demo.main, "run": stay.main, "screenshots": screenshots.main}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.dev", description=__doc__)
    parser.add_argument(
        "what",
        choices=tuple(_MAINS),
        help="demo: the main job, then exit; run: a stack that stays; screenshots: pictures of the console",
    )
    what = parser.parse_args().what
    # What was started must be stopped also when this is told to stop.
    for number in stop_signals():
        if number is not signal.SIGINT:
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        return _MAINS[what]()
    except SettingsError as error:
        sys.stderr.write(f"make {what}: {error}\n")
        return 2
    except EmbeddedRedisError as error:
        sys.stderr.write(f"make {what}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
