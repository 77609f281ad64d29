"""`make faithful`: seeded populations through the real stack, over a clean, a faulty, a bad and a hostile wire.

Prints a table of the reviews that are wrong once all is quiet: without an API key, with one, and for ordinary guards on
the same deliveries. Exit status 1 if the mirror does worse than it must.
"""

import argparse
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from mirror.settings import SettingsError
from mirror.stopping import stop_signals
from mirror.storage.embedded import EmbeddedRedisError
from tools.accuracy.report import Row, failures, table
from tools.accuracy.stack import Life, run, stop, told_to_stop
from tools.accuracy.strategies import wrong_at_the_end
from tools.dev.stack import StackError
from tools.simulator.planning import PRESETS, plan
from tools.simulator.population import Population, Truth, life

# On the hostile wire our own processes fail too.
DISRUPTED = frozenset({"hostile"})


def main() -> int:
    options = _arguments()
    for told in stop_signals():
        signal.signal(told, lambda *_: stop())
    what = Life(options.reviews, options.days, options.seconds, options.seed)
    wires = options.wire or list(PRESETS)
    rows = []
    with tempfile.TemporaryDirectory(prefix="reviewmirror-faithful-") as name:
        for number, wire in enumerate(wires):
            _tell(f"{wire} ({number + 1} of {len(wires)}): {what.reviews} reviews live {what.days} days …")
            try:
                rows.append(_row(Path(name), what, wire))
            except Exception as error:
                # A signal to all processes of a terminal ends our children in the middle of anything.
                if not (told_to_stop() or isinstance(error, StackError | EmbeddedRedisError | SettingsError)):
                    raise
                problem = "told to stop" if told_to_stop() else error
                sys.stderr.write(f"make faithful: {wire}: {problem}\n")
                return 1
            done = rows[-1]
            _tell(f"{wire}: {done.without_key.wrong} wrong without a key, {done.with_key.wrong} with one")
    sys.stdout.write(f"{what.reviews} reviews, {what.days} days, seed {what.seed}.\n\n{table(rows)}\n")
    found = list(failures(rows))
    for line in found:
        sys.stderr.write(f"make faithful: {line}\n")
    return 1 if found else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.accuracy", description=__doc__)
    parser.add_argument("--reviews", type=int, default=1000, help="how many reviews (default: %(default)s)")
    parser.add_argument("--days", type=int, default=30, help="how long they live (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long that takes (default: %(default)g)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same lives (default: %(default)s)")
    parser.add_argument("--wire", choices=list(PRESETS), action="append", help="this wire alone (may be repeated)")
    return parser.parse_args()


def _row(folder: Path, what: Life, wire: str) -> Row:
    disrupted = wire in DISRUPTED
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(run, folder / f"{wire}-{with_key}", what, wire, with_key=with_key, disrupted=disrupted)
            for with_key in (False, True)
        ]
        without_key, with_key = (each.result() for each in runs)
    return Row(wire, without_key, with_key, _strategies(what, wire))


def _strategies(what: Life, wire: str) -> dict[str, int]:
    population = replace(Population(reviews=what.reviews, days=what.days), unknown_fields=PRESETS[wire].unknown_fields)
    events = list(life(what.seed, population))
    return wrong_at_the_end(plan(events, PRESETS[wire], what.seed), dict(Truth(events).reviews()))


def _tell(line: str) -> None:
    sys.stderr.write(f"  {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
