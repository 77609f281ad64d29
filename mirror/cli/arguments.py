"""Arguments that several commands take, and asking before something is destroyed."""

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from mirror.bootstrap import EXIT_MISCONFIGURED
from mirror.domain.wire import MAX_REVIEW_ID

# As many as the largest id has, and some zeros.
MAX_DIGITS = 40


def review_id(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > MAX_DIGITS or int(text) > MAX_REVIEW_ID:
        raise argparse.ArgumentTypeError(f"a review's id is a whole number from 0 to {MAX_REVIEW_ID}")
    return int(text)


def moment(text: str) -> int:
    """Read an ISO 8601 time, in milliseconds since 1970 UTC; without an offset it is UTC."""
    try:
        read = datetime.fromisoformat(text)
        aware = read if read.tzinfo is not None else read.replace(tzinfo=UTC)
        return int(aware.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError("a time is written as in 2025-09-12T00:00:00Z") from None


def limit(highest: int) -> Callable[[str], int]:
    """Make the type of an argument that says how many to show at most."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or len(text) > MAX_DIGITS or not 1 <= int(text) <= highest:
            raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {highest}")
        return int(text)

    return read


def add_json(parser: argparse.ArgumentParser) -> None:
    """Let a command of a command take `--json` as well; the one above it has the default."""
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON instead of text")


def add_yes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do it without asking")


def confirmed(question: str, options: argparse.Namespace) -> bool:
    """Ask at a terminal whether to go on; elsewhere `--yes` is needed, and stderr says so."""
    if options.yes:
        return True
    if not sys.stdin.isatty():
        sys.stderr.write(f"reviewmirror: {question} Nothing was done: say --yes to do it\n")
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def misused(problem: str) -> int:
    """Say on stderr what was wrong with the arguments, and give the exit status for it."""
    sys.stderr.write(f"reviewmirror: {problem}\n")
    return EXIT_MISCONFIGURED
