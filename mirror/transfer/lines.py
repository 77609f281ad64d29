"""The lines of an export of everything: what a mirror is made of, as NDJSON. Performs no I/O.

    {"header": {"format": 1}}                                  first
    {"review": 34, "record": {…}, "changes": […], …}           in the order of the ids
    {"waiting": 34, "inbox": ["base64", …]}                    accepted, and not applied yet
    {"tombstone": 34, "record": {…}}                           erased on demand, and to stay so
    {"dead_letter": "id", "letter": {…}}
    {"hash": "name", "values": {…}}                            counts of absences, open incidents
    {"set": "name", "scores": {…}}                             the reviews that an incident holds, closed incidents
    {"end": {"reviews": 1, "changes": 4, …, "complete": true}} last

Nothing in them tells of when or where they were written: two mirrors with the same content give the same bytes.
"""

import msgspec

FORMAT = 1


class ExportError(ValueError):
    """A line, or the file as a whole, is not what an export writes."""


class Header(msgspec.Struct, frozen=True):
    format: int


class End(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many of each an export holds."""

    reviews: int = 0
    changes: int = 0
    waiting: int = 0
    tombstones: int = 0
    dead_letters: int = 0
    others: int = 0
    complete: bool = False


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line; which of the first fields is set tells what it is. Times are ms since 1970 UTC.

    `grace_from`: from when the grace of a missing review counts; `ask_at`: when Partoo is to be asked about it.
    """

    header: Header | None = None
    review: int | None = None
    waiting: int | None = None
    tombstone: int | None = None
    dead_letter: str | None = None
    hash: str | None = None
    set: str | None = None
    end: End | None = None
    record: msgspec.Raw = msgspec.Raw(b"")
    changes: list[msgspec.Raw] = []
    grace_from: int | None = None
    ask_at: int | None = None
    inbox: list[bytes] = []
    letter: msgspec.Raw = msgspec.Raw(b"")
    values: dict[str, str] = {}
    scores: dict[str, float] = {}


_COUNTED = {
    "waiting": "waiting",
    "tombstone": "tombstones",
    "dead_letter": "dead_letters",
    "hash": "others",
    "set": "others",
}
_LINE = msgspec.json.Decoder(Line)
_ENCODE = msgspec.json.Encoder().encode


def encode(line: Line) -> bytes:
    return _ENCODE(line) + b"\n"


def decode(data: bytes, number: int) -> Line:
    """Read a line. Raises ExportError, with the line's number."""
    try:
        line = _LINE.decode(data)
    except msgspec.DecodeError as error:
        raise ExportError(f"line {number} is not a line of an export: {error}") from None
    if line.header is not None and line.header.format != FORMAT:
        raise ExportError(f"line {number}: this is format {line.header.format}; this release reads {FORMAT}")
    return line


def count(end: End, line: Line) -> End:
    """Count a line to those before it."""
    if line.review is not None:
        return msgspec.structs.replace(end, reviews=end.reviews + 1, changes=end.changes + len(line.changes))
    for counted, field in _COUNTED.items():
        if getattr(line, counted) is not None:
            return msgspec.structs.replace(end, **{field: getattr(end, field) + 1})
    return end
