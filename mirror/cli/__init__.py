"""`python -m mirror …`: looking into the mirror from a shell. Exit status: 0 fine, 1 not fine, 2 misused."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

from mirror import bootstrap
from mirror.cli import (
    dead_letters,
    doctor,
    endpoints,
    export,
    forget,
    importing,
    notices,
    ratings,
    reconcile,
    replay,
    show,
    stats,
    status,
    trace,
)
from mirror.domain.record import CorruptError
from mirror.printable import tolerate, visible
from mirror.settings import Settings
from mirror.storage.connection import connect
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.probe import explain
from mirror.storage.refusals import NO_ANSWER
from mirror.storage.store import Store

_COMMANDS = (
    *(trace, show, status, stats, ratings, doctor, notices, dead_letters, endpoints),
    *(export, importing, replay, reconcile, forget),
)


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        tolerate(stream)
    parser = argparse.ArgumentParser(
        prog="python -m mirror",
        description="Look into the review mirror. The Redis to read is the one that REDIS_URL names; without it, the "
        "embedded one in REDIS_DATA_DIR.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        added = commands.add_parser(command.NAME, help=command.HELP, description=command.HELP)
        command.add_arguments(added)
        added.add_argument("--json", action="store_true", help="print JSON instead of text")
        added.set_defaults(run=command.run)
    options = parser.parse_args(arguments)
    try:
        return bootstrap.run(lambda settings, url: _run(settings, url, options), logging=False)
    except BrokenPipeError:
        # The reader of our output has left, as `| head` does. Python would complain once more when it closes stdout.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


async def _run(settings: Settings, redis_url: str, options: argparse.Namespace) -> int:
    if settings.redis_url is None:
        sys.stderr.write(
            f"reviewmirror: REDIS_URL is not set: this is the embedded Redis in {settings.redis_data_dir}\n"
        )
    store = Store(connect(settings, redis_url), feed_length=settings.feed_length)
    try:
        code: int = await options.run(store, settings, options)
        sys.stdout.flush()
    except CorruptError as error:
        sys.stderr.write(f"reviewmirror: {error}; docs/operations.md says what to do\n")
        return bootstrap.EXIT_FAILED
    except StorageUnavailableError as error:
        if isinstance(error, BrokenPipeError):
            raise
        sys.stderr.write(f"reviewmirror: {await _unavailable(store, error)}\n")
        return bootstrap.EXIT_FAILED
    finally:
        with suppress(StorageUnavailableError, asyncio.CancelledError):
            await store.close()
    return code


async def _unavailable(store: Store, error: BaseException) -> str:
    """Say in one line why Redis did not do it, in its own words where it gave some: it may be up, and refuse."""
    found = await explain(store, error)
    if found.problem.startswith(NO_ANSWER):
        return f"{found.problem} ({visible(str(error))}): {found.remedy}"
    return f"{found.problem}: {found.remedy}"
