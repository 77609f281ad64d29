"""What may be shown as it is, and what must be escaped: one rule for terminals, logs and JSON that people pipe along.

Text in any language is shown as it is, with its no-break spaces and the joiners inside its emoji. Escaped is what a
terminal obeys (control characters), what some readers take for the end of a line (U+0085, U+2028, U+2029), and what
misleads the eye (marks that turn the direction of writing, characters that show nothing).
"""

import codecs
import io
import re
from typing import TextIO

_CONTROLS = "\0-\x1f\x7f-\x9f"
_LINE_ENDS = "\u2028\u2029"
_DIRECTIONS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"
_INVISIBLE = "\u200b\u2060-\u2065\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
# Neither is a character: halves of a surrogate pair, and what Unicode keeps free.
_NONE = "\ud800-\udfff\ufffe\uffff"
# A flag of a region ends in tags, which show nothing elsewhere.
_FLAG = "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f"
_ESCAPED = re.compile(f"({_FLAG})|[{_CONTROLS}{_LINE_ENDS}{_DIRECTIONS}{_INVISIBLE}{_NONE}]")

# For streams that cannot show every character.
_REPLACE = "reviewmirror.replace"
_SUBSTITUTES = {"→": "->", "…": "...", "█": "#", "░": "."}


def visible(text: str) -> str:
    """Escape what must not reach a terminal, line ends as well."""
    return _ESCAPED.sub(_escape, text)


def one_line(json: bytes) -> bytes:
    r"""Escape the same in a JSON document, which stays the same value; \n between its values stays as it is."""
    if json.isascii() and b"\x7f" not in json:
        return json
    return b"\n".join(visible(line).encode() for line in json.decode().split("\n"))


def ascii_only(json: str) -> str:
    """Escape all but ASCII in a JSON document, which stays the same value."""
    return re.sub(r"[^\0-\x7f]", _escape_match, json)


def tolerate(stream: TextIO | None) -> None:
    """Have the stream replace what its encoding (ASCII, Latin-1) does not hold, where it would raise an error."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=_REPLACE)


def _escape(match: re.Match[str]) -> str:
    return match[1] or _escape_match(match)


def _escape_match(match: re.Match[str]) -> str:
    """Write a character as JSON does: the surrogate pair of one beyond U+FFFF."""
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    unwritable = error.object[error.start : error.end]
    return "".join(_SUBSTITUTES.get(character, "?") for character in unwritable), error.end


codecs.register_error(_REPLACE, _replace)
