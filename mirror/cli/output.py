"""Printing for people and for programs. What stdout cannot encode never raises: see `printable.tolerate`."""

import codecs
import sys
from typing import Any

import msgspec

from mirror.printable import ascii_only, one_line, visible


def write(line: str = "") -> None:
    """Write one line of text to stdout. Review texts may hold what a terminal would obey: it is made visible."""
    sys.stdout.write(visible(line) + "\n")


def counted(number: int, name: str) -> str:
    """Write a number of things whose plural ends in -s."""
    return f"{number:,} {name}" + ("" if number == 1 else "s")


def write_json(value: Any) -> None:
    """Write one JSON document to stdout, indented. No character is lost where stdout cannot encode it."""
    document = one_line(msgspec.json.format(msgspec.json.encode(value), indent=2)).decode()
    sys.stdout.write((document if _holds_all(sys.stdout.encoding) else ascii_only(document)) + "\n")


def _holds_all(encoding: str) -> bool:
    return codecs.lookup(encoding).name.startswith("utf")
