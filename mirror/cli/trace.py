"""`trace ID`: a review's timeline. When, what changed from what to what, why, and how long it was missing."""

import argparse
import shutil
from collections.abc import Iterator

from mirror.bootstrap import EXIT_FAILED
from mirror.change_words import doubt, what
from mirror.cli.arguments import moment, review_id
from mirror.cli.output import write, write_json
from mirror.cli.values import INDENT, field_lines, payload_lines
from mirror.clock import iso
from mirror.domain.changes import BEGINNINGS, Certainty, Change
from mirror.domain.history import HistoryTrimmedError, as_of, changes_until, first_payload
from mirror.domain.inbox import received_at
from mirror.domain.lifecycle import Status
from mirror.domain.record import Record
from mirror.domain.review import text_field
from mirror.settings import Settings
from mirror.storage import dead_letters, inbox, reads
from mirror.storage.store import Store
from mirror.views import changes_view, record_view

NAME = "trace"
HELP = "print a review's timeline: when, what changed, why, and how long it was missing"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", type=review_id, metavar="ID", help="the review's id, a whole number")
    parser.add_argument("--at", type=moment, metavar="TIME", help="as it was then, such as 2025-09-12T00:00:00Z (UTC)")


async def run(store: Store, _settings: Settings, options: argparse.Namespace) -> int:
    found = await reads.record_and_changes(store, options.id)
    waiting = await inbox.waiting_for(store, options.id)
    if found is None:
        return await _tell_unknown(store, waiting, options)
    if found[0].forgotten_at is not None:
        return _tell_forgotten(options.id, found[0].forgotten_at, waiting, options)
    if options.at is not None:
        return _trace_as_of(*found, options)
    record, changes = found
    letters = await dead_letters.about(store, options.id)
    if options.json:
        shown = {"changes": changes_view(changes, first_payload(*found)), "waiting": waiting, "dead_letters": letters}
        write_json(record_view(record) | shown)
        return 0
    for line in timeline(record, changes, _width()):
        write(line)
    if waiting:
        write(f"{_deliveries(waiting)} waiting for the worker.")
    _tell_letters(letters)
    return 0


async def _tell_unknown(store: Store, waiting: int, options: argparse.Namespace) -> int:
    letters = await dead_letters.about(store, options.id)
    if options.json:
        found = {"id": options.id, "review": None, "changes": [], "waiting": waiting, "dead_letters": letters}
        write_json(found)
        return EXIT_FAILED
    note = f"{_deliveries(waiting)} waiting for the worker" if waiting else "no delivery about it has been applied"
    write(f"Review {options.id} is not mirrored: {note}.")
    _tell_letters(letters)
    return EXIT_FAILED


def _tell_letters(letters: list[str]) -> None:
    for one in letters:
        write(f"Dead letter {one}, received {_when(received_at(one))}, may be about it: dead-letters show {one}")


def _tell_forgotten(one: int, at: int, waiting: int, options: argparse.Namespace) -> int:
    if options.json:
        write_json({"id": one, "review": None, "changes": [], "waiting": waiting, "forgotten_at": iso(at)})
    else:
        write(f"Review {one} was forgotten on demand {_when(at)}: all that was held of it is erased, and stays out.")
    return EXIT_FAILED


def _trace_as_of(record: Record, changes: list[Change], options: argparse.Namespace) -> int:
    try:
        then = as_of(record, changes, options.at)
    except HistoryTrimmedError as error:
        if options.json:
            write_json({"id": record.id, "review": None, "changes": [], "trimmed_before": iso(error.since)})
        else:
            write(f"Of review {record.id} nothing older than {_when(error.since)} is kept.")
        return EXIT_FAILED
    until = changes_until(changes, options.at)
    if then is None:
        if options.json:
            write_json({"id": record.id, "review": None, "changes": [], "at": iso(options.at)})
        else:
            write(f"Review {record.id} was not mirrored yet: it was first seen {_when(record.first_seen_at)}.")
        return EXIT_FAILED
    if options.json:
        write_json(
            record_view(then) | {"changes": changes_view(until, first_payload(then, until)), "at": iso(options.at)}
        )
        return 0
    for line in timeline(then, until, _width()):
        write(line)
    write()
    write(f"{_when(options.at)}  the review was")
    for line in payload_lines(then.review, _width()):
        write(line)
    return 0


def _width() -> int:
    return shutil.get_terminal_size((120, 24)).columns


def timeline(record: Record, changes: list[Change], width: int) -> Iterator[str]:
    """Write a review and its history, the oldest change first, in lines at most `width` columns wide where possible."""
    yield _headline(record)
    first = first_payload(record, changes)
    for change in changes:
        yield ""
        yield f"{_when(change.received_at)}  {_what(change)}"
        yield f"{'':{INDENT}}{change.source} {change.delivery_id}, version {change.version}"
        yield from payload_lines(first, width) if change.kind in BEGINNINGS else field_lines(change, width)


def _headline(record: Record) -> str:
    review = record.review
    facts = [
        f"Review {record.id}",
        text_field(review, "partner"),
        f"business {text_field(review, 'business_id')}" if text_field(review, "business_id") else "",
        str(record.status),
    ]
    if record.missing_since is not None:
        facts[-1] = "gone, missing" if record.status is Status.GONE else "missing"
        facts[-1] += f" since {_when(record.missing_since)}"
    if record.reappearances:
        facts.append("returned once" if record.reappearances == 1 else f"returned {record.reappearances} times")
    if record.certainty is not Certainty.PROVEN:
        facts.append(str(record.certainty))
    return ", ".join(fact for fact in facts if fact)


def _when(milliseconds: int) -> str:
    return iso(milliseconds).replace("T", " ").replace("Z", " UTC")


def _what(change: Change) -> str:
    words = what(change)
    if doubtful := doubt(change):
        words += f" ({doubtful})"
    if change.repaired:
        words += f" (repaired before it could be read: {', '.join(change.repaired)})"
    return words


def _deliveries(count: int) -> str:
    return "1 delivery is" if count == 1 else f"{count} deliveries are"
