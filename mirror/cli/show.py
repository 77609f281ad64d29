"""`show ID`: a review as it is mirrored; `--stored`: what Redis holds of it, without compression, and its sizes."""

import argparse
from typing import Any

import msgspec

from mirror.bootstrap import EXIT_FAILED
from mirror.cli.arguments import review_id
from mirror.cli.output import counted, write, write_json
from mirror.settings import Settings
from mirror.storage import reads, stored
from mirror.storage.store import Store
from mirror.views import record_view

NAME = "show"
HELP = "print a review as it is mirrored, as JSON; or what Redis holds of it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", type=review_id, metavar="ID", help="the review's id, a whole number")
    parser.add_argument(
        "--stored", action="store_true", help="what Redis holds: record, changes and raw deliveries, with their sizes"
    )


async def run(store: Store, _settings: Settings, options: argparse.Namespace) -> int:
    if options.stored:
        return await _show_stored(store, options)
    record = await reads.record(store, options.id)
    if record is None or record.forgotten_at is not None:
        state = "is not mirrored" if record is None else "was forgotten on demand"
        if options.json:
            write_json({"id": options.id, "review": None})
        else:
            write(f"Review {options.id} {state}.")
        return EXIT_FAILED
    write_json(record_view(record))
    return 0


async def _show_stored(store: Store, options: argparse.Namespace) -> int:
    held = await stored.read(store, options.id)
    if options.json:
        write_json({"id": options.id, "keys": [_view(one) for one in held]})
    elif not held:
        write(f"Redis holds nothing of review {options.id}.")
    else:
        for one in held:
            write(_headline(one))
            for value in one.values:
                for line in value.plain.decode(errors="backslashreplace").split("\n"):
                    write(f"  {line}")
    return 0 if held else EXIT_FAILED


def _headline(held: stored.Held) -> str:
    if held.problem is not None:
        return f"{held.key}  cannot be read: {held.problem}"
    sizes = f"{counted(held.stored_bytes, 'byte')} stored, {held.plain_bytes:,} without compression"
    return f"{held.key}  {counted(len(held.values), 'value')}, {sizes}"


def _view(held: stored.Held) -> dict[str, Any]:
    values = [
        {"stored_bytes": value.stored_bytes, "plain_bytes": len(value.plain), "value": _value(value.plain)}
        for value in held.values
    ]
    view: dict[str, Any] = {"key": held.key, "stored_bytes": held.stored_bytes, "plain_bytes": held.plain_bytes}
    return view | {"values": values} | ({} if held.problem is None else {"problem": held.problem})


def _value(plain: bytes) -> Any:
    """Give a value as JSON where it is that, else as text: an inbox entry is a header, a line end and a body."""
    try:
        return msgspec.json.decode(plain)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return plain.decode(errors="backslashreplace")
