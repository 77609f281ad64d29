"""`export`: the mirror's data in a file, whole or not there."""

import argparse
import importlib.util
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mirror.bootstrap import EXIT_FAILED
from mirror.cli.arguments import misused, moment
from mirror.cli.output import counted, write, write_json
from mirror.cli.progress import Progress
from mirror.domain.history import first_payload
from mirror.domain.ratings import Track, moments, series
from mirror.domain.record import CorruptError
from mirror.settings import Settings
from mirror.storage import feed, ratings, reads
from mirror.storage.store import Store
from mirror.transfer import exporting, parquet, tables
from mirror.transfer.files import Manifest, PartError, PartFile, csv_line
from mirror.transfer.lines import encode

NAME = "export"
HELP = "write reviews, changes, ratings or everything to a file"
WHAT = ("reviews", "changes", "ratings", "all")
FORMATS = ("ndjson", "csv", "parquet")
_ENCODE = msgspec.json.Encoder().encode
_STEPS = 20
# A rows' place in the export: its review's id and what it is written as.
_Row = tuple[int, dict[str, Any]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=WHAT, help="`all` is what `import` reads; the others are tables for analysts")
    parser.add_argument("--format", choices=FORMATS, default="ndjson", help="parquet needs the extra: duckdb")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="written as FILE.part until complete")
    parser.add_argument("--since", type=moment, metavar="TIME", help="only what changed since then")
    parser.add_argument("--business-id", metavar="ID", help="only this business")
    parser.add_argument("--resume", action="store_true", help="go on with what an interrupted export has left")


async def run(store: Store, _settings: Settings, options: argparse.Namespace) -> int:
    problem = _problem(options)
    if problem:
        return misused(problem)
    filters = {"since": str(options.since or ""), "business_id": options.business_id or ""}
    cursor = str((await feed.bounds(store)).last)
    manifest = Manifest(options.what, options.format, filters, cursor)
    try:
        with PartFile(options.out, manifest, resume=options.resume) as file:
            await _fill(store, file, options)
            if options.format == "parquet":
                parquet.convert(file.path_so_far(), tables.COLUMNS[options.what])
            file.complete()
    except PartError as error:
        return misused(str(error))
    except OSError as error:
        if isinstance(error, ConnectionError | TimeoutError):
            raise
        return _failed(f"{options.out} cannot be written: {error.strerror or error}")
    _tell(file.manifest, options)
    return 0


def _problem(options: argparse.Namespace) -> str:
    if options.what == "all" and (options.format != "ndjson" or options.since or options.business_id):
        return "export all is NDJSON and whole: it takes no --format, --since or --business-id"
    if options.format == "parquet" and importlib.util.find_spec("duckdb") is None:
        return "--format parquet needs DuckDB: pip install duckdb"
    if options.resume and options.what not in {"reviews", "changes"}:
        return "--resume goes on with exports of reviews and of changes; begin the others anew"
    return ""


async def _fill(store: Store, file: PartFile, options: argparse.Namespace) -> None:
    total = await exporting.size(store)
    bar, done, last = Progress("exporting", counts=True), 0, -1
    try:
        if options.what == "all":
            async for line in exporting.everything(store):
                file.write(encode(line))
                if line.review is not None:
                    done += 1
                    bar.show(done, total)
            return
        is_csv = options.format == "csv"
        if is_csv and not options.resume:
            file.write(csv_line(list(tables.COLUMNS[options.what])), rows=0)
        async for review_id, row in _rows(store, file, options):
            file.write(csv_line(_cells(row)) if is_csv else _ENCODE(row) + b"\n")
            if review_id != last:
                done, last = done + 1, review_id
                bar.show(done, total)
    finally:
        bar.clear()


def _cells(row: dict[str, Any]) -> list[Any]:
    return [_ENCODE(value).decode() if isinstance(value, dict | list) else value for value in row.values()]


def _rows(store: Store, file: PartFile, options: argparse.Namespace) -> AsyncIterator[_Row]:
    after = file.last_id(tables.COLUMNS[options.what]) if options.resume else -1
    match options.what:
        case "reviews":
            return _reviews(store, options, after)
        case "changes":
            return _changes(store, options, after)
        case _:
            return _ratings(store, options)


async def _ids(store: Store, options: argparse.Namespace, after: int) -> AsyncIterator[Sequence[int]]:
    query = reads.Query(limit=exporting.STEP, business_id=options.business_id, after=after)
    while ids := await reads.ids(store, query):
        yield ids
        query = msgspec.structs.replace(query, after=ids[-1])


async def _reviews(store: Store, options: argparse.Namespace, after: int) -> AsyncIterator[_Row]:
    async for ids in _ids(store, options, after):
        for record in await reads.records(store, ids):
            if isinstance(record, CorruptError):
                raise record
            if record is not None and record.forgotten_at is None and record.last_changed_at >= (options.since or 0):
                yield record.id, tables.review_row(record)


async def _changes(store: Store, options: argparse.Namespace, after: int) -> AsyncIterator[_Row]:
    async for ids in _ids(store, options, after):
        for review_id in ids:
            found = await reads.record_and_changes(store, review_id)
            if found is None or found[0].forgotten_at is not None:
                continue
            record, changes = found
            first = first_payload(record, changes)
            for row, change in zip(tables.change_rows(record, changes, first), changes, strict=True):
                if change.received_at >= (options.since or 0):
                    yield review_id, row


async def _ratings(store: Store, options: argparse.Namespace) -> AsyncIterator[_Row]:
    while not await ratings.catch_up(store, _STEPS):
        pass
    now = await store.now()
    names = await ratings.businesses(store) if options.business_id is None else [options.business_id]
    now = await store.now()
    for number, name in enumerate(names):
        by_partner: dict[str, list[Track]] = {}
        async for piece in ratings.tracks(store, name):
            for track in piece:
                by_partner.setdefault(track.partner, []).append(track)
        for partner, tracks in sorted(by_partner.items()):
            begins = min((track.points[0].at for track in tracks if track.points), default=now)
            wanted = moments(max(begins, options.since or 0), now, "day")
            for at, found in zip(wanted, series(tracks, wanted), strict=True):
                yield number, tables.rating_row(at, name, partner, found)


def _failed(words: str) -> int:
    misused(words)
    return EXIT_FAILED


def _tell(manifest: Manifest, options: argparse.Namespace) -> None:
    if options.json:
        write_json({"file": str(options.out)} | msgspec.to_builtins(manifest))
    else:
        write(f"{options.out}: {counted(manifest.rows, 'row')}, complete. Beside it: {options.out.name}.manifest.json")
