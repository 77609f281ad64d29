"""Marks each test by what it needs: `process`, `redis` or `unit`. `make test-fast` runs the last two.

A mark that a test carries already stays: tests that only take long may say `process`, with the reason beside it. A test
that is not marked `process` fails when it starts a program.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

MARKS = ("unit", "redis", "process")
PROCESS_FOLDERS = (Path(__file__).parent / "process", Path(__file__).parent / "deploy")
# Fixtures that start a server for one test, or a server that takes seconds to start.
PROCESS_FIXTURES = frozenset({"own_redis", "postgres_server"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not any(mark.name in MARKS for mark in item.iter_markers()):
            item.add_marker(_needed(item))


def _needed(item: pytest.Item) -> str:
    fixtures = set(getattr(item, "fixturenames", ()))
    if fixtures & PROCESS_FIXTURES or any(folder in item.path.parents for folder in PROCESS_FOLDERS):
        return "process"
    return "redis" if "redis_server" in fixtures else "unit"


class _Guard:
    """Fails whoever starts a program while `test` runs."""

    test: str | None = None

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen" and self.test is not None:
            raise AssertionError(f"{self.test} starts {arguments[0]} and is not marked `process`")


_guard = _Guard()
sys.addaudithook(_guard)


@pytest.fixture(autouse=True)
def programs_only_where_marked(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.node.get_closest_marker("process") is None:
        _guard.test = request.node.nodeid
    yield
    _guard.test = None
