"""Printing for people and for programs."""

import sys
from typing import Any

import msgspec


def write(line: str = "") -> None:
    """Write one line of text to stdout. Review texts may hold what a terminal would obey: controls are made visible."""
    shown = "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in line)
    sys.stdout.write(shown + "\n")


def counted(number: int, name: str) -> str:
    """Write a number of things whose plural ends in -s."""
    return f"{number:,} {name}" + ("" if number == 1 else "s")


def write_json(value: Any) -> None:
    """Write one JSON document to stdout, indented."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
