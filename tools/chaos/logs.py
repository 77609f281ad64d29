"""What the processes of a run wrote: of which deliveries they tell, and of which errors of their own."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

# Lines that no fault from outside explains.
OURS = {"request.failed", "drain.review_failed", "drain.commit_failed"}

# What Redis answers at its memory limit: the deliveries wait, and are tried again.
REFUSED = b"OOM command not allowed"


class Told(msgspec.Struct):
    """`deliveries`: how often workers told what each meant. `errors`: lines that should not be."""

    deliveries: Counter[str]
    events: Counter[str]
    errors: list[str]


class _Line(msgspec.Struct):
    event: str
    delivery_id: str = ""


def read(paths: Iterable[Path]) -> Told:
    told = Told(Counter(), Counter(), [])
    decode = msgspec.json.Decoder(_Line).decode
    for path in paths:
        with path.open("rb") as stream:
            for text in stream:
                try:
                    line = decode(text)
                except msgspec.DecodeError:
                    _note_plain(told, text, path)
                else:
                    _note(told, line, text, path)
    return told


def _note(told: Told, line: _Line, text: bytes, path: Path) -> None:
    told.events[line.event] += 1
    if line.event.startswith("review.") and line.delivery_id:
        told.deliveries[line.delivery_id] += 1
    if line.event in OURS and REFUSED not in text:
        told.errors.append(f"{path.name}: {_shorten(text)}")


def _note_plain(told: Told, text: bytes, path: Path) -> None:
    """Note what is no line of a log. The last one of a process that was killed may be cut off."""
    if text.startswith(b"Traceback"):
        told.errors.append(f"{path.name}: {_shorten(text)}")


def _shorten(text: bytes) -> Any:
    return text[:300].decode(errors="replace").strip()
