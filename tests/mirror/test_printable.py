"""One rule for what a terminal, a log's reader and a pipe may be given."""

import io
import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.printable import ascii_only, one_line, tolerate, visible
from tests.mirror.domain.strategies import JSON

SHOWN = {
    "French": "Très bien\u00a0! 5\u202f000\u00a0€ « merci »",
    "soft hyphen": "Donau\u00addampf",
    "Persian": "نمی\u200cش",
    "Hindi": "क्\u200dष",
    "family": "👨\u200d👩\u200d👧\u200d👦",
    "heart": "❤\ufe0f",
    "Scotland": "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "ideographic space": "東京\u3000駅",
    "private use": "\ue000",
    "unassigned": "\U0001fbff",
    "combining": "e\u0301",
}
ESCAPED = {
    "\x00": "\\u0000",
    "\t": "\\u0009",
    "\n": "\\u000a",
    "\x1b[31m": "\\u001b[31m",
    "\x7f": "\\u007f",
    "\x85": "\\u0085",
    "\x9b2J": "\\u009b2J",
    "\u061c": "\\u061c",
    "\u200b": "\\u200b",
    "\u200e": "\\u200e",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
    "\u202e": "\\u202e",
    "\u2066": "\\u2066",
    "\ufeff": "\\ufeff",
    "\ud800": "\\ud800",
    "\U000e0041": "\\udb40\\udc41",
}
# What no character of a line may belong to: controls, separators of lines and paragraphs, halves of pairs.
OBEYED = {"Cc", "Zl", "Zp", "Cs"}


@pytest.mark.parametrize("text", SHOWN.values(), ids=SHOWN)
def test_text_in_any_language_is_shown_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(("text", "shown"), ESCAPED.items(), ids=ascii)
def test_what_a_terminal_obeys_or_what_misleads_is_escaped(text: str, shown: str) -> None:
    assert visible(f"a{text}b") == f"a{shown}b"


@settings(deadline=None)
@given(st.text(st.characters()))
def test_no_text_makes_a_second_line_or_turns_its_direction(text: str) -> None:
    shown = visible(text)
    assert not {unicodedata.category(character) for character in shown} & OBEYED
    assert not any(unicodedata.bidirectional(character) in {"RLE", "LRE", "RLO", "LRO", "PDF"} for character in shown)
    assert len(shown.splitlines()) <= 1


@settings(deadline=None)
@given(JSON)
def test_escaped_json_holds_the_same_value(value: Any) -> None:
    written = json.dumps(value, ensure_ascii=False, indent=2).encode(errors="surrogatepass")
    try:
        written.decode()
    except UnicodeDecodeError:
        return
    shown = one_line(written)
    assert json.loads(shown) == value
    assert json.loads(ascii_only(shown.decode())) == value
    assert shown.count(b"\n") == written.count(b"\n")


def test_a_document_in_ascii_alone_is_left_as_it_is_but_for_its_deletes() -> None:
    assert one_line(b'{"a":\n"b"}') == b'{"a":\n"b"}'
    assert one_line(b'{"a":\n"\x7f"}') == b'{"a":\n"\\u007f"}'


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("ascii", "a -> b ... caf? ?"), ("latin-1", "a -> b ... café ?"), ("utf-8", "a → b … café ❤")],
)
def test_a_stream_replaces_what_it_cannot_encode(encoding: str, expected: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    tolerate(stream)
    stream.write("a → b … café ❤")
    assert raw.getvalue().decode(encoding) == expected


def test_what_is_no_stream_of_bytes_is_left_alone() -> None:
    tolerate(None)
    tolerate(io.StringIO())
