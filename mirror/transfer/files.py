"""Files that are whole or not there: written beside their name, and renamed once they are complete."""

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

_ENCODE = msgspec.json.Encoder().encode


class PartError(OSError):
    """What an interrupted export has left cannot be gone on with."""


class Manifest(msgspec.Struct, frozen=True):
    """What a file holds; it lies beside it, as FILE.manifest.json. `feed_cursor`: where the feed stood before it began.

    Reading the file and then following the feed from `feed_cursor` misses nothing.
    """

    what: str
    format: str
    filters: dict[str, str]
    feed_cursor: str
    rows: int = 0
    complete: bool = False


class PartFile:
    """`path` with .part at its end until it is complete; its manifest is written first, so that one can go on."""

    def __init__(self, path: Path, manifest: Manifest, *, resume: bool) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._notes = path.with_name(path.name + ".part.json")
        self.manifest = manifest
        self.last_line = b""
        self._resume = resume

    def __enter__(self) -> Self:
        if self._resume:
            self._go_on()
        elif self._part.exists():
            raise PartError(f"{self._part} is what an interrupted export has left: --resume goes on, or remove it")
        else:
            self._notes.write_bytes(_ENCODE(self.manifest))
        self._file = self._part.open("ab", buffering=1024 * 1024)
        return self

    def _go_on(self) -> None:
        try:
            before = msgspec.json.decode(self._notes.read_bytes(), type=Manifest)
            data = self._part
            rows, end = 0, 0
            with data.open("rb") as lines:
                for line in lines:
                    if not line.endswith(b"\n"):
                        break
                    rows, end, self.last_line = rows + 1, end + len(line), line
            os.truncate(data, end)
        except (FileNotFoundError, msgspec.DecodeError):
            raise PartError(f"there is no interrupted export at {self._part} to go on with") from None
        wanted = msgspec.structs.replace(self.manifest, feed_cursor="", rows=0)
        if msgspec.structs.replace(before, feed_cursor="", rows=0) != wanted:
            raise PartError(f"{self._part} is of another export (other options): remove it to begin anew")
        self.manifest = msgspec.structs.replace(before, rows=rows)

    def last_id(self, columns: Iterable[str]) -> int:
        """Tell with which review the part ended that is gone on with; its rows may be incomplete, so they go."""
        first = next(iter(columns))
        id_of = _id_in_csv if self.manifest.format == "csv" else _id_in_json
        last = id_of(self.last_line, first)
        if last is None:
            return -1
        kept, rows = 0, 0
        with self._part.open("rb") as lines:
            for line in lines:
                if id_of(line, first) == last:
                    break
                kept, rows = kept + len(line), rows + 1
        self._file.flush()
        os.truncate(self._part, kept)
        self.manifest = msgspec.structs.replace(self.manifest, rows=rows - (self.manifest.format == "csv"))
        return last - 1

    def path_so_far(self) -> Path:
        """Give the file as it is by now, with everything written."""
        self._file.flush()
        return self._part

    def write(self, data: bytes, rows: int = 1) -> None:
        self._file.write(data)
        self.manifest = msgspec.structs.replace(self.manifest, rows=self.manifest.rows + rows)

    def complete(self) -> None:
        """Give the file its name, durably, with its manifest beside it."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self.manifest = msgspec.structs.replace(self.manifest, complete=True)
        self._path.with_name(self._path.name + ".manifest.json").write_bytes(
            msgspec.json.format(_ENCODE(self.manifest), indent=2) + b"\n"
        )
        self._part.replace(self._path)
        self._notes.unlink(missing_ok=True)

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _id_in_json(line: bytes, name: str) -> int | None:
    value = msgspec.json.decode(line).get(name) if line else None
    return value if isinstance(value, int) else None


def _id_in_csv(line: bytes, _name: str) -> int | None:
    first = line.partition(b",")[0]
    return int(first) if first.isdigit() else None


def csv_line(values: Sequence[Any]) -> bytes:
    """Write a row of CSV (RFC 4180), in UTF-8."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode("utf-8", "replace")


def lines_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file
