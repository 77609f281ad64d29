"""`make torture`: a seeded run in which everything fails that can, and an account of every delivery.

Progress goes to stderr, the report as Markdown to stdout and as JSON to torture-results.json. Exit status 1 if a check
fails; the run's folder, with logs and append-only file, is kept then.
"""

import argparse
import asyncio
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from mirror.storage.embedded import find_server
from tools.chaos.judging import Result
from tools.chaos.plan import KINDS, make_plan
from tools.chaos.report import report
from tools.chaos.running import Options, run
from tools.chaos.sending import Work
from tools.chaos.stage import ROOT
from tools.chaos.yesterday import check_out
from tools.simulator.progress import Progress

EXIT_INTERRUPTED = 130
RESULTS = Path("torture-results.json")
DELIVERIES, FAULTS = 300_000, 90
SHORT_DELIVERIES, SHORT_FAULTS = 1_500, 15
# How many deliveries one review gets, unless that leaves too few reviews to run side by side.
DELIVERIES_OF_ONE, FEWEST_REVIEWS = 200, 50


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text!a}")
    return int(text)


def arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.chaos", description=__doc__)
    parser.add_argument(
        "--seed", type=_count, default=1, help="draws deliveries and faults; the same one, the same run"
    )
    parser.add_argument("--deliveries", type=_count, help=f"how many (default {DELIVERIES}; short: {SHORT_DELIVERIES})")
    parser.add_argument("--faults", type=_count, help=f"how many (default {FAULTS}; short: {SHORT_FAULTS})")
    parser.add_argument("--only", choices=KINDS, action="append", help="this kind of fault alone (may be repeated)")
    parser.add_argument("--short", action="store_true", help="a small run with short faults and hurried workers")
    parser.add_argument("--previous", metavar="REVISION", help="which commit is yesterday's release")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to write the report as JSON")
    return parser.parse_args(given)


def main(given: list[str]) -> int:
    options = arguments(given)
    folder = Path(tempfile.mkdtemp(prefix="reviewmirror-torture-"))
    (folder / "yesterday").mkdir()
    yesterday = check_out(ROOT, folder / "yesterday", options.previous)
    prepared = _prepare(options, folder, with_yesterday=yesterday is not None)
    progress = Progress(sys.stderr, prepared.work.deliveries, bar=sys.stderr.isatty())
    try:
        result = asyncio.run(_run(prepared, progress))
    except (KeyboardInterrupt, asyncio.CancelledError):
        shutil.rmtree(folder)
        return EXIT_INTERRUPTED
    except RuntimeError as error:
        sys.stderr.write(f"torture: {error}\n")
        return 1
    progress.end()
    facts = _facts(given, yesterday)
    written = msgspec.json.encode({**facts, "plan": prepared.plan, "result": result})
    options.results.write_bytes(msgspec.json.format(written, indent=2) + b"\n")
    sys.stdout.write(report(result, facts) + "\n")
    if result.well:
        shutil.rmtree(folder)
        return 0
    sys.stderr.write(f"Logs and data of the run are in {folder}\n")
    return 1


async def _run(prepared: Options, progress: Progress) -> Result:
    """Run it; SIGTERM ends it as Ctrl-C does, in order, so that no process of the run outlives it."""
    running = asyncio.create_task(run(prepared, progress.show))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    return await running


def _prepare(options: argparse.Namespace, folder: Path, *, with_yesterday: bool) -> Options:
    usual = (SHORT_DELIVERIES, SHORT_FAULTS) if options.short else (DELIVERIES, FAULTS)
    deliveries = usual[0] if options.deliveries is None else options.deliveries
    faults = usual[1] if options.faults is None else options.faults
    reviews = min(deliveries, max(FEWEST_REVIEWS, deliveries // DELIVERIES_OF_ONE))
    work = Work(options.seed, deliveries, reviews, options.short)
    kinds = [kind for kind in options.only or KINDS if with_yesterday or kind != "release"]
    plan = make_plan(options.seed, deliveries, faults if kinds else 0, kinds, short=options.short)
    return Options(work, plan, folder, folder / "yesterday" if with_yesterday else None)


def _facts(given: list[str], yesterday: str | None) -> dict[str, Any]:
    version = subprocess.run([find_server(), "--version"], check=True, stdout=subprocess.PIPE).stdout.decode()  # noqa: S603
    return {
        "command": shlex.join(["python", "-m", "tools.chaos", *given]),
        "machine": platform.platform(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "redis": version.partition("v=")[2].partition(" ")[0],
        "yesterday": yesterday,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
