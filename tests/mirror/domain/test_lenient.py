"""The lenient reading: what it repairs, how it names that, and that it changes nothing that a strict reading takes."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mirror.domain.lenient import NotJsonError, decode
from tests.mirror.domain.strategies import JSON

REPAIRS = {"byte_order_mark", "invalid_utf8", "surrogate", "not_a_number", "number_out_of_range"}
quick = settings(deadline=None, max_examples=150)


@pytest.mark.parametrize(
    ("data", "value", "repairs"),
    [
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}, ["byte_order_mark"]),
        (b'["caf\xe9"]', ["caf\ufffd"], ["invalid_utf8"]),
        (b'["cut \xf0\x9f\x98"]', ["cut \ufffd"], ["invalid_utf8"]),
        (b'["\xed\xa0\xbd"]', ["\ufffd"], ["surrogate"]),
        (rb'["cut \ud83d"]', ["cut \ufffd"], ["surrogate"]),
        (rb'["\uDE00\uD83D"]', ["\ufffd\ufffd"], ["surrogate"]),
        (rb'["\ud83d\ud83d\ude00"]', ["\ufffd😀"], ["surrogate"]),
        (rb'{"\ud83d":1}', {"\ufffd": 1}, ["surrogate"]),
        (b"[NaN,Infinity,-Infinity]", [None] * 3, ["not_a_number"]),
        (b"[1e400,-1e400]", [None] * 2, ["number_out_of_range"]),
        (b"[" + b"1" * 5_000 + b"]", [None], ["number_out_of_range"]),
        (
            b'\xef\xbb\xbf["\xff\\ud800",NaN]',
            ["\ufffd\ufffd", None],
            ["byte_order_mark", "invalid_utf8", "not_a_number", "surrogate"],
        ),
    ],
)
def test_what_cannot_be_kept_is_repaired_and_named(data: bytes, value: Any, repairs: list[str]) -> None:
    assert decode(data) == (value, tuple(repairs))


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (rb'["\ud83d\ude00"]', ["😀"]),
        (rb'["\\ud83d"]', [r"\ud83d"]),
        (rb'["\\\\ud83d\\"]', [r"\\ud83d" + "\\"]),
        ('["NaN", "\ufeff", "\ufffd"]'.encode(), ["NaN", "\ufeff", "\ufffd"]),
    ],
)
def test_what_only_looks_broken_is_left_as_it_is(data: bytes, value: Any) -> None:
    assert decode(data) == (value, ())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"hello",
        b"[1,]",
        b"[nan]",
        b"[01]",
        b'["\\ud8"]',
        b'["\\ud8zz"]',
        b'["\\x"]',
        b'["\n"]',
        b"[" * 100_000,
        '["a"]'.encode("utf-16"),
    ],
)
def test_what_is_not_json_at_all_is_refused(data: bytes) -> None:
    with pytest.raises(NotJsonError):
        decode(data)


@quick
@given(JSON)
def test_what_a_strict_reading_takes_is_read_the_same_and_not_repaired(value: Any) -> None:
    for data in (json.dumps(value).encode(), json.dumps(value, ensure_ascii=False).encode()):
        assert decode(data) == (value, ())


@quick
@given(
    st.binary() | st.text().map(str.encode) | JSON.map(lambda value: json.dumps(value).encode()), st.binary(max_size=4)
)
@example(b'["\xed\xa0', b'\x80"]')
@example(b'["\\ud8', b'00"]')
def test_whatever_is_read_can_be_written_and_read_strictly(data: bytes, added: bytes) -> None:
    for body in (data + added, data[: len(data) // 2] + added + data[len(data) // 2 :]):
        try:
            value, repairs = decode(body)
        except NotJsonError:
            continue
        assert set(repairs) <= REPAIRS
        assert msgspec.json.decode(msgspec.json.encode(value)) == value
