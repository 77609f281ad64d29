"""`make faithful`: seeded populations through the real stack, over clean to hostile wires, and beside odd APIs.

Prints a table of the reviews that are wrong once all is quiet: without an API key, with one, and for ordinary guards on
the same deliveries; and one of what the mirror calls unproven. Exit status 1 if the mirror does worse than it must.
"""

import argparse
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mirror.settings import SettingsError
from mirror.stopping import stop_signals
from mirror.storage.embedded import EmbeddedRedisError
from tools.accuracy.report import Row, failures, table, true_time_table
from tools.accuracy.stack import Life, Outcome, run, stop, told_to_stop
from tools.accuracy.strategies import wrong_at_the_end
from tools.accuracy.true_time import play_all
from tools.accuracy.wires import WIRES
from tools.dev.stack import StackError
from tools.simulator.planning import PRESETS, plan
from tools.simulator.population import Population, Truth, life


def main() -> int:
    options = _arguments()
    for told in stop_signals():
        signal.signal(told, lambda *_: stop())
    what = Life(options.reviews, options.days, options.seconds, options.seed)
    counts = [] if options.wire else list(play_all(what.seed, what.reviews, what.days))
    with tempfile.TemporaryDirectory(prefix="reviewmirror-faithful-") as name:
        try:
            rows = _play(Path(options.keep or name), what, options.wire or list(WIRES))
        except Exception as error:
            # A signal to all processes of a terminal ends our children in the middle of anything.
            if not (told_to_stop() or isinstance(error, StackError | EmbeddedRedisError | SettingsError)):
                raise
            sys.stderr.write(f"make faithful: {'told to stop' if told_to_stop() else error}\n")
            return 1
    sys.stdout.write(f"{what.reviews} reviews, {what.days} days, seed {what.seed}.\n\n{table(rows)}\n")
    if counts:
        sys.stdout.write(f"\nIn true time, without a key, at the default windows:\n\n{true_time_table(counts)}\n")
    found = list(failures(rows, counts))
    for line in found:
        sys.stderr.write(f"make faithful: {line}\n")
    return 1 if found else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.accuracy", description=__doc__)
    parser.add_argument("--reviews", type=int, default=1000, help="how many reviews (default: %(default)s)")
    parser.add_argument("--days", type=int, default=30, help="how long they live (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long that takes (default: %(default)g)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same lives (default: %(default)s)")
    parser.add_argument("--wire", choices=list(WIRES), action="append", help="this wire alone (may be repeated)")
    parser.add_argument("--keep", metavar="FOLDER", help="keep logs and findings of the runs in this folder")
    return parser.parse_args()


def _play(folder: Path, what: Life, wires: list[str]) -> list[Row]:
    """Play every wire, two runs at a time. Raises what `run` does; what has not begun by then is not begun."""
    with ThreadPoolExecutor(2) as pool:
        runs = {
            (wire, with_key): pool.submit(_run, folder, what, wire, with_key=with_key)
            for wire in wires
            for with_key in ((True,) if WIRES[wire].asks else (False, True))
        }
        try:
            outcomes = {key: each.result() for key, each in runs.items()}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [_row(what, wire, outcomes[wire, True], outcomes.get((wire, False))) for wire in wires]


def _run(folder: Path, what: Life, wire: str, *, with_key: bool) -> Outcome:
    key = "with a key" if with_key else "without a key"
    _tell(f"{wire}, {key}: {what.reviews} reviews live {what.days} days …")
    outcome = run(folder / f"{wire}-{with_key}", what, WIRES[wire], with_key=with_key)
    _tell(f"{wire}, {key}: {outcome.wrong} wrong, {outcome.wrong_proven} of them proven")
    return outcome


def _row(what: Life, wire: str, with_key: Outcome, without_key: Outcome | None) -> Row:
    return Row(wire, with_key, without_key, None if WIRES[wire].asks else _strategies(what, wire))


def _strategies(what: Life, wire: str) -> dict[str, int]:
    preset = PRESETS[WIRES[wire].preset]
    population = Population(reviews=what.reviews, days=what.days, unknown_fields=preset.unknown_fields)
    events = list(life(what.seed, population))
    return wrong_at_the_end(plan(events, preset, what.seed), dict(Truth(events).reviews()))


def _tell(line: str) -> None:
    sys.stderr.write(f"  {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
