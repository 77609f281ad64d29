"""`forget`: erases what is held of reviews, on demand of the persons who wrote them."""

import argparse
import asyncio
import time
from collections.abc import Iterable, Iterator

import msgspec

from mirror.bootstrap import EXIT_FAILED, EXIT_MISCONFIGURED
from mirror.cli import arguments
from mirror.cli.forget_files import write_anew
from mirror.cli.output import write, write_json
from mirror.cli.progress import progress
from mirror.domain.authors import Author
from mirror.settings import Settings
from mirror.storage import dead_letters, erased_files, forgetting, reads
from mirror.storage.erased_files import File
from mirror.storage.store import Store

NAME = "forget"
HELP = "erase reviews and all that is held of them, for good; deliveries about them stay out from then on"
# How long a worker is given to carry the demands out.
PATIENCE_S = 20.0
_POLL_S = 0.05
# As many near names as a screen bears.
_MOST_NEAR = 20
_NOT_YET = "The append-only file was not rewritten, as a worker has to erase first."
_NO_FILE = "Redis keeps no append-only file that would have to be rewritten."
_LEFT = "The append-only file holds what was erased until its next rewrite (BGREWRITEAOF)."
_NO_SNAPSHOT = "Redis keeps no snapshot that would have to be written anew."
_UNSEEN = (
    "Whether the server keeps snapshots cannot be seen (it forbids CONFIG): what was erased stays in them, and in the "
    "provider's backups, until they have been replaced."
)


class Near(msgspec.Struct, frozen=True):
    """An author's name that is near the one asked for, and the reviews that show it. They are not erased."""

    name: str
    reviews: list[int]


class Report(msgspec.Struct):
    """What was erased. `waiting` names reviews whose demand no worker has carried out.

    `not_mirrored` names those of which nothing was held: a wrong id, perhaps. `rewritten`: whether Redis has written
    its append-only file anew; `rewrite` and `snapshot` say in a sentence how the files stand.
    """

    forgotten: list[int]
    waiting: list[int]
    dead_letters: list[str]
    rewrite: str = ""
    rewritten: bool = False
    snapshot: str = ""
    not_mirrored: list[int] = []
    near: list[Near] = []


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", metavar="ID", nargs="*", type=arguments.review_id, help="ids of reviews")
    parser.add_argument(
        "--author",
        metavar="NAME",
        help="every review whose author_name is, or was, this: in capitals or not, accents and spaces of any form",
    )
    parser.add_argument(
        "--no-rewrite",
        action="store_true",
        help="leave Redis's files as they are; what was erased stays in them until their next rewrite",
    )
    arguments.add_yes(parser)


async def run(store: Store, _settings: Settings, options: argparse.Namespace) -> int:
    if bool(options.ids) == bool((options.author or "").strip()):
        return arguments.misused("name reviews by their ids, or an author by --author")
    ids = sorted(set(options.ids))
    author = Author(options.author) if options.author else None
    unknown: list[int] = []
    near: list[Near] = []
    if author is not None:
        ids, near = await _by_author(store, author)
        letters = [
            one async for one in dead_letters.concerning(store, await dead_letters.ids(store), frozenset(ids), author)
        ]
        if not ids and not letters:
            return _tell(Report([], [], [], near=near), options, done=False)
        if not _agreed(ids, near, options):
            return EXIT_MISCONFIGURED
    else:
        unknown = await _unknown(store, ids)
        if not arguments.confirmed(_question(ids, unknown), options):
            return EXIT_MISCONFIGURED
    report, done = await _forget(store, ids, author, options)
    report.not_mirrored, report.near = unknown, near
    return _tell(report, options, done=done)


def _tell(report: Report, options: argparse.Namespace, *, done: bool) -> int:
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


async def _by_author(store: Store, author: Author) -> tuple[list[int], list[Near]]:
    found: set[int] = set()
    near: dict[str, set[int]] = {}
    with progress("looking for the author") as shown:
        total = int(await store.redis.dbsize())
        async for step in forgetting.by_author(store, author):
            found |= step.reviews
            for name, review_id in step.near:
                near.setdefault(name, set()).add(review_id)
            shown.show(step.looked_at, total)
    others = [Near(name, sorted(reviews - found)) for name, reviews in sorted(near.items()) if reviews - found]
    return sorted(found), others[:_MOST_NEAR]


def _agreed(ids: list[int], near: list[Near], options: argparse.Namespace) -> bool:
    named = ", ".join(str(one) for one in ids) or "none"
    if not options.json:
        write(f"Reviews of this author: {named}.")
    if not options.json and not options.yes:
        for line in _near_lines(near):
            write(line)
    return arguments.confirmed(
        f"{len(ids)} reviews ({named}), and dead letters that show this author, would be erased for good.", options
    )


async def _forget(
    store: Store, ids: list[int], author: Author | None, options: argparse.Namespace
) -> tuple[Report, bool]:
    """Erase; returns what was done, and whether all of it was."""
    await erased_files.begin(store, ids)
    await forgetting.demand(store, ids)
    waiting = await _carried_out(store, ids)
    # Only now: until a review is forgotten, a delivery about it may still become a dead letter.
    letters = await forgetting.erase_letters(store, ids, author)
    forgotten = [one for one in ids if one not in waiting]
    if forgotten:
        await forgetting.leave_indexes(store, forgotten)
    files, known = await erased_files.files_kept(store)
    await erased_files.erased(store, forgotten, files)
    report = Report(forgotten, waiting, letters, snapshot=_NO_SNAPSHOT if known else _UNSEEN)
    if waiting:
        report.rewrite = _NOT_YET
        return report, False
    return report, await _clean_files(store, files, report, options)


async def _carried_out(store: Store, ids: list[int]) -> list[int]:
    """Wait until a worker has forgotten the reviews; returns those that it has not."""
    deadline = time.monotonic() + PATIENCE_S
    waiting = await forgetting.not_forgotten(store, ids)
    while waiting and time.monotonic() < deadline:
        await asyncio.sleep(_POLL_S)
        waiting = await forgetting.not_forgotten(store, waiting)
    return waiting


async def _clean_files(store: Store, files: list[File], report: Report, options: argparse.Namespace) -> bool:
    """Have the server write its files anew, one after the other; tells whether they are clean, or meant to be left."""
    if options.no_rewrite:
        report.rewrite = _LEFT
        if File.SNAPSHOT in files:
            report.snapshot = "The last snapshot holds what was erased until the next one (BGSAVE)."
        return True
    report.rewrite = _NO_FILE
    clean = True
    for file in files:
        done, sentence = await write_anew(store, file)
        clean = clean and done
        if file is File.AOF:
            report.rewritten, report.rewrite = done, sentence
        else:
            report.snapshot = sentence
    return clean


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
    yield from _near_lines(report.near)
    yield from filter(None, (report.rewrite, report.snapshot))


def _near_lines(near: Iterable[Near]) -> Iterator[str]:
    for one in near:
        yield f'A name that is near, and was not meant perhaps: "{one.name}" ({_named(one.reviews)}).'
