"""`reconcile`: compares the mirror with what Partoo's API shows. With an empty mirror, it is filled."""

import argparse
import asyncio
import re
import signal
import sys
from datetime import UTC, datetime
from typing import Any

import aiohttp

from mirror.bootstrap import EXIT_FAILED
from mirror.cli.output import counted, write, write_json
from mirror.cli.reconcile_progress import PrintedProgress
from mirror.partoo.api import PATIENCE, PartooApi, Patience
from mirror.partoo.errors import ApiError, ApiRefusedError
from mirror.partoo.limiter import Limiter
from mirror.reconciliation.judging import OUTCOMES
from mirror.reconciliation.run import Reconciliation
from mirror.reconciliation.scope import Scope
from mirror.settings import Settings, SettingsError
from mirror.stopping import cancel_and_wait
from mirror.storage import inbox, workers
from mirror.storage.reconciliation import BusyError, Position
from mirror.storage.store import Store

NAME = "reconcile"
HELP = "compare the mirror with what Partoo's API shows, and have the worker apply what differs; fills an empty mirror"
# How long to wait at the end for a worker to apply what was found.
APPLIED_WITHIN_S = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--business-id",
        action="append",
        default=[],
        type=_business,
        metavar="ID",
        help="only this business; repeatable",
    )
    parser.add_argument(
        "--since", type=_moment, metavar="TIME", help="only reviews updated since, such as 2025-09-01 or …T08:00:00Z"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what differs, and change nothing")
    parser.add_argument("--restart", action="store_true", help="begin anew, even if the last run was interrupted")


def _business(text: str) -> str:
    if not re.fullmatch(r"[^\s,]{1,100}", text):
        raise argparse.ArgumentTypeError("the id of a business holds neither commas nor spaces; repeat the option")
    return text


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        seconds = round(aware.timestamp())
    except (ValueError, OverflowError):
        seconds = -1
    if seconds < 0:
        raise argparse.ArgumentTypeError(f"{text} is not a time such as 2025-09-01 or 2025-09-01T08:00:00Z (UTC)")
    return seconds * 1_000_000


async def run(store: Store, settings: Settings, options: argparse.Namespace, patience: Patience = PATIENCE) -> int:
    if settings.partoo_api_key is None:
        raise SettingsError("PARTOO_API_KEY", "is not set: Partoo's API cannot be asked without it")
    listener = PrintedProgress(settings.partoo_api_rate, as_json=options.json)
    scope = Scope(tuple(sorted(set(options.business_id))), options.since)
    async with aiohttp.ClientSession() as session:
        limiter = Limiter(store, settings.partoo_api_rate)
        api = PartooApi(session, settings.partoo_api_url, settings.partoo_api_key, limiter, patience)
        work = asyncio.create_task(
            Reconciliation(store, api, listener, settings.windows, scope).run(
                restart=options.restart, dry_run=options.dry_run
            )
        )
        caught = await _finish_or_signal(work)
    listener.progress.clear()
    if caught:
        return _stopped(128 + caught, "it was interrupted", options)
    try:
        position = work.result()
    except BusyError:
        return _failed("another reconciliation is under way, or ended without a word seconds ago; try again later")
    except ApiError as error:
        remedy = "" if isinstance(error, ApiRefusedError) else f"; {_how_to_go_on(options)}"
        return _failed(f"{error}{remedy}")
    waiting = 0 if options.dry_run else await _wait_until_applied(store)
    _summarize(position, listener, options, waiting)
    return 0


async def _finish_or_signal(work: "asyncio.Task[Position]") -> int:
    """Wait for the work; a signal breaks it off, and is returned. Where it stands is stored with each page."""
    caught: list[int] = []
    stop = asyncio.Event()

    def catch(number: int) -> None:
        caught.append(number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, catch, number)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finished = work.done()
    await cancel_and_wait(stopping, *([] if finished else [work]))
    return 0 if finished else caught[0]


def _how_to_go_on(options: argparse.Namespace) -> str:
    return "a dry run begins anew" if options.dry_run else "run it again to go on from there"


def _stopped(code: int, what: str, options: argparse.Namespace) -> int:
    _failed(f"{what}; {_how_to_go_on(options)}")
    return code


def _failed(text: str) -> int:
    sys.stderr.write(f"reviewmirror: {text}\n")
    return EXIT_FAILED


async def _wait_until_applied(store: Store) -> int:
    """Give a living worker some time; returns how many reviews wait then."""
    deadline = asyncio.get_running_loop().time() + APPLIED_WITHIN_S
    while waiting := (await inbox.backlog(store)).reviews:
        if not (await workers.heartbeats(store)).alive or asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(0.05)
    return waiting


def _summarize(position: Position, listener: PrintedProgress, options: argparse.Namespace, waiting: int) -> None:
    counts = {outcome: position.counts.get(outcome, 0) for outcome in OUTCOMES}
    if options.json:
        write_json(_as_json(position, counts, listener, options, waiting))
        return
    checked = sum(counts.values())
    shown = ", ".join(f"{count:,} {outcome}" for outcome, count in counts.items() if count)
    write(f"{counted(checked, 'review')} checked" + (f": {shown}" if shown else ""))
    if position.passed_over:
        write(
            f"The listing moved while it was read: up to {counted(position.passed_over, 'review')} may have been "
            "passed over; the next run sees to them."
        )
    if options.dry_run:
        write("This was a dry run: nothing was changed.")
    elif waiting:
        write(f"{counted(waiting, 'review')} still to be settled by a worker.")


def _as_json(
    position: Position, counts: dict[str, int], listener: PrintedProgress, options: argparse.Namespace, waiting: int
) -> dict[str, Any]:
    return {
        "checked": sum(counts.values()),
        **counts,
        "passed_over": position.passed_over,
        "dry_run": options.dry_run,
        "resumed": listener.resumed,
        "waiting": waiting,
        "reviews": [
            {"id": one.review_id, "outcome": one.outcome, "fields": one.fields, "reason": one.reason}
            for one in listener.kept
        ],
        "reviews_not_listed": listener.left_out,
    }
