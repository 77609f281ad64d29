"""`forget`: erases what is held of reviews, on demand of the persons who wrote them."""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator

import msgspec
from redis.exceptions import ResponseError

from mirror.bootstrap import EXIT_FAILED, EXIT_MISCONFIGURED
from mirror.cli import arguments
from mirror.cli.output import write, write_json
from mirror.cli.progress import progress
from mirror.settings import Settings
from mirror.storage import forgetting, reads, server
from mirror.storage.store import Store

NAME = "forget"
HELP = "erase reviews and all that is held of them, for good; deliveries about them stay out from then on"
# How long a worker is given to carry the demands out, and the server to begin a rewrite.
PATIENCE_S = 20.0
_POLL_S = 0.05
_NOT_YET = "The append-only file was not rewritten, as a worker has to erase first."


class Report(msgspec.Struct):
    """What was erased. `waiting` names reviews whose demand no worker has carried out.

    `not_mirrored` names those of which nothing was held: a wrong id, perhaps.
    `rewritten`: whether Redis has begun to write its append-only file anew; `rewrite` says so in a sentence.
    """

    forgotten: list[int]
    waiting: list[int]
    dead_letters: list[str]
    rewrite: str
    rewritten: bool
    not_mirrored: list[int] = []


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", metavar="ID", nargs="*", type=arguments.review_id, help="ids of reviews")
    parser.add_argument("--author", metavar="NAME", help="every review whose author_name is, or was, exactly this")
    parser.add_argument(
        "--no-rewrite",
        action="store_true",
        help="leave the append-only file as it is; what was erased stays in it until its next rewrite",
    )
    arguments.add_yes(parser)


async def run(store: Store, _settings: Settings, options: argparse.Namespace) -> int:
    if bool(options.ids) == bool(options.author):
        return arguments.misused("name reviews by their ids, or an author by --author")
    ids = sorted(set(options.ids))
    unknown: list[int] = []
    if options.author:
        ids = await _by_author(store, options.author)
        if not _agreed(ids, options):
            return EXIT_MISCONFIGURED
    else:
        unknown = await _unknown(store, ids)
        if sys.stdin.isatty() and not arguments.confirmed(_question(ids, unknown), options):
            return EXIT_MISCONFIGURED
    report, done = await _forget(store, ids, options)
    report.not_mirrored = unknown
    if options.json:
        write_json(report)
    else:
        for line in _lines(report):
            write(line)
    return 0 if done else EXIT_FAILED


async def _unknown(store: Store, ids: list[int]) -> list[int]:
    records = await reads.records(store, ids)
    return [one for one, record in zip(ids, records, strict=True) if record is None]


def _question(ids: list[int], unknown: list[int]) -> str:
    question = f"{_named(ids).capitalize()} would be erased for good, and kept out from then on."
    return f"{question} Not mirrored: {_named(unknown)}." if unknown else question


def _named(ids: list[int]) -> str:
    names = ", ".join(str(one) for one in ids)
    return f"review {names}" if len(ids) == 1 else f"reviews {names}"


async def _by_author(store: Store, author: str) -> list[int]:
    found: set[int] = set()
    with progress("looking for the author") as shown:
        total = int(await store.redis.dbsize())
        async for ids, looked_at in forgetting.by_author(store, author):
            found |= ids
            shown.show(looked_at, total)
    return sorted(found)


def _agreed(ids: list[int], options: argparse.Namespace) -> bool:
    named = ", ".join(str(one) for one in ids) or "none"
    if not options.json:
        write(f"Reviews of this author: {named}.")
    return arguments.confirmed(
        f"{len(ids)} reviews ({named}), and dead letters that show this author, would be erased for good.", options
    )


async def _forget(store: Store, ids: list[int], options: argparse.Namespace) -> tuple[Report, bool]:
    """Erase; returns what was done, and whether all of it was."""
    await forgetting.demand(store, ids)
    waiting = await _carried_out(store, ids)
    # Only now: until a review is forgotten, a delivery about it may still become a dead letter.
    letters = await forgetting.erase_letters(store, ids, options.author)
    forgotten = [one for one in ids if one not in waiting]
    if forgotten:
        await forgetting.leave_indexes(store, forgotten)
    if waiting:
        report = Report(forgotten, waiting, letters, _NOT_YET, rewritten=False)
        return report, False
    wanted, sentence = await _rewrite_wanted(store, options)
    rewritten, sentence = await _rewrite(store) if wanted else (False, sentence)
    return Report(forgotten, waiting, letters, sentence, rewritten), rewritten or not wanted


async def _carried_out(store: Store, ids: list[int]) -> list[int]:
    """Wait until a worker has forgotten the reviews; returns those that it has not."""
    deadline = time.monotonic() + PATIENCE_S
    waiting = await forgetting.not_forgotten(store, ids)
    while waiting and time.monotonic() < deadline:
        await asyncio.sleep(_POLL_S)
        waiting = await forgetting.not_forgotten(store, waiting)
    return waiting


async def _rewrite_wanted(store: Store, options: argparse.Namespace) -> tuple[bool, str]:
    if options.no_rewrite:
        return False, "The append-only file holds what was erased until its next rewrite (BGREWRITEAOF)."
    if not (await server.inspect(store)).append_only_file:
        return False, "Redis keeps no append-only file that would have to be rewritten."
    return True, ""


async def _rewrite(store: Store) -> tuple[bool, str]:
    """Have the server write its append-only file anew; returns whether it does, and a sentence."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            await store.redis.execute_command("BGREWRITEAOF")
        except ResponseError as error:
            # One that was under way already began before the erasure.
            if "in progress" not in str(error) or time.monotonic() > deadline:
                return False, f"The append-only file could not be rewritten ({error}): run BGREWRITEAOF."
            await asyncio.sleep(_POLL_S)
        else:
            return True, "The append-only file is being rewritten without what was erased."


def _lines(report: Report) -> Iterator[str]:
    for one in report.forgotten:
        yield f"Review {one} is forgotten." + (
            " It was not mirrored: what comes about it is kept out from now on." if one in report.not_mirrored else ""
        )
    for one in report.waiting:
        yield f"Review {one} is not erased yet: the demand waits for a worker. Start one, then run this again."
    for delivery_id in report.dead_letters:
        yield f"Dead letter {delivery_id} is erased: it was about this, or could not be decoded and mentioned it."
    if not (report.forgotten or report.waiting or report.dead_letters):
        yield "Nothing was found."
    yield report.rewrite
