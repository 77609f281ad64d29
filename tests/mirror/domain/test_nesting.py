"""How deep JSON nests, told from its bytes: the same as is found by reading it, and in time that does not add up."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.domain.nesting import nests_deeper
from tests.mirror.domain.strategies import JSON

MEBIBYTE = 1024 * 1024


def depth(value: Any) -> int:
    if not isinstance(value, dict | list):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth, inner), default=0)


@settings(deadline=None, max_examples=200)
@given(st.lists(JSON, max_size=4) | st.text(alphabet='[]{}"\\'), st.integers(0, 6))
def test_it_is_as_deep_as_it_is_found_to_be_when_it_is_read(value: Any, levels: int) -> None:
    assert nests_deeper(json.dumps(value).encode(), levels) == (depth(value) > levels)


@pytest.mark.parametrize("blocks", [1, 63, 64, 65, 500])
def test_what_came_before_changes_nothing_about_how_deep_it_is(blocks: int) -> None:
    shallow = b"[]," * blocks
    assert not nests_deeper(b"[" + shallow + b"[" * 199 + b"]" * 199 + b"]", 200)
    assert nests_deeper(b"[" + shallow + b"[" * 200 + b"]" * 200 + b"]", 200)


@pytest.mark.parametrize(
    "data",
    [b"[" * MEBIBYTE, (b"[" * 190 + b"]" * 190 + b",") * 2_750, b'{"a":' * 200_000, b'"\\' * 500_000, b'["' * 500_000],
)
def test_a_mebibyte_of_brackets_is_judged_within_a_moment(data: bytes) -> None:
    started = time.process_time()
    nests_deeper(data, 200)
    assert time.process_time() - started < 0.3
