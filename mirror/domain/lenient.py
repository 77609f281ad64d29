"""A second, lenient reading of JSON, for what a strict reading refuses: what cannot be kept is repaired, and named.

Other people's encoders write a byte order mark, half an emoji where a text was cut, or NaN. None of that keeps the rest
from being read. The repairs:

    byte_order_mark      skipped
    invalid_utf8         each part that is not UTF-8 is U+FFFD
    surrogate            one without its other half is U+FFFD
    not_a_number         NaN, Infinity and -Infinity are null
    number_out_of_range  a number too large to be kept is null
"""

import json
import math
import re
from typing import Any

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ENCODED_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Every escape is matched, so that the second backslash of one is not taken for the start of another.
_ESCAPE = re.compile(
    r"\\(?:u(?P<high>d[89ab][0-9a-f]{2})(?P<low>\\ud[c-f][0-9a-f]{2})?|u(?P<lone>d[c-f][0-9a-f]{2})|.)",
    re.IGNORECASE | re.DOTALL | re.ASCII,
)


class NotJsonError(ValueError):
    """What cannot be read as JSON, however leniently."""


def decode(data: bytes) -> tuple[Any, tuple[str, ...]]:
    """Read JSON leniently; returns the value and the names of the repairs, none where a strict reading would do.

    Raises NotJsonError, and nothing else.
    """
    repairs: set[str] = set()
    text = _escapes_repaired(_decode_text(data, repairs), repairs)
    numbers = _Numbers(repairs)
    try:
        value = json.loads(
            text, parse_constant=numbers.constant, parse_float=numbers.decimal, parse_int=numbers.integer
        )
    except RecursionError:
        raise NotJsonError("it nests too deep") from None
    except ValueError as error:
        raise NotJsonError(str(error)) from None
    return value, tuple(sorted(repairs))


def _decode_text(data: bytes, repairs: set[str]) -> str:
    if data.startswith(_BYTE_ORDER_MARK):
        data = data.removeprefix(_BYTE_ORDER_MARK)
        repairs.add("byte_order_mark")
    try:
        return data.decode()
    except UnicodeDecodeError:
        pass
    data, surrogates = _ENCODED_SURROGATE.subn(_REPLACEMENT.encode(), data)
    if surrogates:
        repairs.add("surrogate")
    try:
        return data.decode()
    except UnicodeDecodeError:
        repairs.add("invalid_utf8")
        return data.decode(errors="replace")


def _escapes_repaired(text: str, repairs: set[str]) -> str:
    def repaired(escape: re.Match[str]) -> str:
        if not (escape["lone"] or (escape["high"] and not escape["low"])):
            return escape[0]
        repairs.add("surrogate")
        return _REPLACEMENT

    return _ESCAPE.sub(repaired, text)


class _Numbers:
    """Reads numbers; those that cannot be kept are None."""

    def __init__(self, repairs: set[str]) -> None:
        self._repairs = repairs

    def constant(self, _text: str) -> None:
        self._repairs.add("not_a_number")

    def decimal(self, text: str) -> float | None:
        number = float(text)
        if math.isfinite(number):
            return number
        self._repairs.add("number_out_of_range")
        return None

    def integer(self, text: str) -> int | None:
        try:
            return int(text)
        except ValueError:  # Python reads no integer of more than 4,300 digits
            self._repairs.add("number_out_of_range")
            return None
