"""`replay`: what the reducer of today makes of the deliveries that are kept, beside what is stored."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec

from mirror.bootstrap import EXIT_FAILED
from mirror.cli.arguments import misused, moment, review_id
from mirror.cli.output import write, write_json
from mirror.cli.progress import progress
from mirror.domain.inbox import Entry
from mirror.domain.record import CorruptError, Windows
from mirror.domain.replaying import Comparison, Mismatch, compare
from mirror.settings import Settings
from mirror.storage import deliveries, rebuilding
from mirror.storage.store import Store

NAME = "replay"
HELP = "replay the deliveries that are kept, and report where the outcome differs from what is stored"
_SHOWN_CHARS = 60
# How often, and how far apart, a review on which deliveries keep coming in is tried again.
_ATTEMPTS = 5
_APART_S = 0.2


class Report(msgspec.Struct):
    """What a replay found: how many reviews and deliveries, and the reviews of which there is something to tell.

    `problems` says of some of `not_applied` what stood in the way, where it was not that deliveries keep coming in.
    `not_kept` are reviews that were asked for, and of which no delivery is kept.
    """

    reviews: int = 0
    deliveries: int = 0
    different: list[Comparison] = []
    inexact: list[Comparison] = []
    applied: list[int] = []
    not_applied: list[int] = []
    problems: dict[int, str] = {}
    not_kept: list[int] = []


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--review", type=review_id, action="append", metavar="ID", help="only this one (may be repeated)"
    )
    parser.add_argument("--since", type=moment, metavar="TIME", help="only reviews with a delivery received since then")
    parser.add_argument("--until", type=moment, metavar="TIME", help="only reviews with a delivery received until then")
    parser.add_argument("--apply", action="store_true", help="put the outcome in the place of what is stored")


async def run(store: Store, settings: Settings, options: argparse.Namespace) -> int:
    if None not in (options.since, options.until) and options.since > options.until:
        return misused("--since is after --until")
    report = await replay(store, settings.windows, options)
    if options.json:
        write_json(_as_json(report))
    else:
        for line in _lines(report, options):
            write(line)
    left = report.not_applied if options.apply else report.different
    return EXIT_FAILED if left or report.not_kept else 0


async def replay(store: Store, windows: Windows, options: argparse.Namespace) -> Report:
    """Replay the reviews that the options choose, and rebuild them if they say so."""
    report = Report()
    with progress("replaying") as shown:
        total = int(await store.redis.dbsize())
        async for ids, looked_at in _chosen(store, options):
            for one in ids:
                await _replay(store, windows, one, options, report)
            shown.show(looked_at, total)
    return report


async def _chosen(store: Store, options: argparse.Namespace) -> AsyncIterator[tuple[list[int], int]]:
    """Give each review to replay once, in small lists, each with how many of Redis's keys have been looked at."""
    if options.review:
        yield sorted(set(options.review)), 0
        return
    seen: set[int] = set()
    async for ids, looked_at in deliveries.reviews(store):
        yield sorted(set(ids) - seen), looked_at
        seen.update(ids)


async def _replay(store: Store, windows: Windows, review: int, options: argparse.Namespace, report: Report) -> None:
    try:
        stored, _ = await rebuilding.read(store, review)
        if options.review and not stored.deliveries:
            report.not_kept.append(review)
        if not _in_span(stored.deliveries, options):
            return
        found = compare(stored, windows)
    except CorruptError as error:
        reason = f"its history or its deliveries cannot be read: {error.problem}"
        report.inexact.append(Comparison(review, reason, [], [], None, []))
        return
    report.reviews += 1
    report.deliveries += len(stored.deliveries)
    if found.inexact is not None:
        report.inexact.append(found)
    if found.mismatches:
        report.different.append(found)
        if options.apply:
            await _apply(store, windows, review, report)


async def _apply(store: Store, windows: Windows, review: int, report: Report) -> None:
    try:
        applied = await _rebuilt(store, windows, review)
    except CorruptError as error:
        report.problems[review] = error.problem
        applied = False
    (report.applied if applied else report.not_applied).append(review)


async def _rebuilt(store: Store, windows: Windows, review: int) -> bool:
    """Rebuild a review, once more if deliveries came in or were applied meanwhile; tells whether that succeeded."""
    for attempt in range(1 + _ATTEMPTS):
        if attempt:
            await asyncio.sleep(_APART_S)
        stored, snapshot = await rebuilding.read(store, review)
        found = compare(stored, windows)
        if not found.mismatches or await rebuilding.rebuild(store, found, stored, snapshot):
            return True
    return False


def _in_span(kept: list[Entry], options: argparse.Namespace) -> bool:
    since = 0 if options.since is None else options.since
    return any(
        since <= entry.received_at and (options.until is None or entry.received_at <= options.until) for entry in kept
    )


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "reviews": report.reviews,
        "deliveries": report.deliveries,
        "different": [{"review_id": one.review_id, "differences": one.mismatches} for one in report.different],
        "inexact": [
            {"review_id": one.review_id, "reason": one.inexact, "uncertain": one.uncertain} for one in report.inexact
        ],
        "applied": report.applied,
        "not_applied": report.not_applied,
        "problems": report.problems,
        "not_kept": report.not_kept,
    }


def _lines(report: Report, options: argparse.Namespace) -> Iterator[str]:
    for one in report.different:
        yield f"Review {one.review_id} differs:"
        yield from (f"      {_mismatch(mismatch)}" for mismatch in one.mismatches)
    for one in report.inexact:
        yield f"Review {one.review_id} could not be compared exactly: {one.inexact}."
        yield from (f"      uncertain: {_mismatch(mismatch)}" for mismatch in one.uncertain)
    for review in report.not_kept:
        yield f"Of review {review} no delivery is kept."
    if not (report.reviews or report.inexact or report.not_kept):
        yield "No deliveries are kept" + (" in this span." if options.since or options.until else ".")
        return
    yield (
        f"{report.reviews} reviews with {report.deliveries} deliveries replayed: {len(report.different)} differ, "
        f"{len(report.inexact)} could not be compared exactly."
    )
    if options.apply:
        yield f"{len(report.applied)} rebuilt."
    for review, problem in report.problems.items():
        yield f"Review {review} was not rebuilt: {problem}."
    if overtaken := [str(one) for one in report.not_applied if one not in report.problems]:
        yield f"Not rebuilt, as deliveries keep coming in (run it again): {', '.join(overtaken)}."


def _mismatch(mismatch: Mismatch) -> str:
    where = "record" if mismatch.delivery_id is None else mismatch.delivery_id
    return f"{where}  {mismatch.name}: stored {_show(mismatch.stored)}, replayed {_show(mismatch.replayed)}"


def _show(value: Any) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"
