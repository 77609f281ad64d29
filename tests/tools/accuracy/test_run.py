"""Small lives through real processes: the simulator as Partoo, asked where payloads cannot tell."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.accuracy.stack import Life, run
from tools.accuracy.wires import WIRES, Conditions

pytestmark = pytest.mark.process


def test_over_a_bad_wire_and_with_a_key_the_mirror_ends_up_equal_to_partoo(tmp_path: Path) -> None:
    outcome = run(tmp_path / "run", Life(40, 10, 2.0, 1), WIRES["bad-day"], with_key=True)
    assert (outcome.wrong, outcome.lost) == (0, 0), outcome.differing
    assert outcome.reviews == 40
    assert outcome.api_requests > 0


def test_beside_an_api_that_lags_and_writes_otherwise_histories_tell_only_what_happened(tmp_path: Path) -> None:
    conditions = Conditions("clean", (*WIRES["api-notation"].options, "--api-lag", "0.3-1"))
    outcome = run(tmp_path / "run", Life(40, 10, 2.0, 1), conditions, with_key=True)
    assert (outcome.wrong, outcome.lost) == (0, 0), outcome.differing
    assert outcome.history_surplus == 0, outcome.differing_histories
    assert outcome.api_requests > 0


@pytest.fixture
def short_path() -> Iterator[Path]:
    """Give an empty folder: pytest's own have names that are too long for a socket in them."""
    with tempfile.TemporaryDirectory(prefix="rm-") as name:
        yield Path(name)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(
    ("number", "tell"), [(signal.SIGTERM, os.kill), (signal.SIGINT, os.killpg)], ids=["platform", "Ctrl-C"]
)
def test_told_to_stop_it_ends_soon_and_leaves_nothing_behind(
    number: signal.Signals, tell: Callable[[int, int], None], short_path: Path
) -> None:
    command = [sys.executable, "-m", "tools.accuracy", "--reviews", "40", "--wire", "clean", "--seconds", "60"]
    variables = {**os.environ, "TMPDIR": str(short_path)}
    running = subprocess.Popen(command, stderr=subprocess.PIPE, env=variables, start_new_session=True)
    started: set[int] = set()
    deadline = time.monotonic() + 40
    while sum(b"serve\0" in command_of(child) for child in started) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
        started |= children_of(running.pid)
    tell(running.pid, number)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 1
    assert said.endswith(b"told to stop\n")
    assert b"Traceback" not in said
    assert len(started) >= 8
    assert [command_of(child) for child in started] == [b""] * len(started)
    assert list(short_path.iterdir()) == []


def children_of(pid: int) -> set[int]:
    """Find the children of all threads of a process."""
    lists = [file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/children")]
    return {int(child) for found in lists for child in found.split()}


def command_of(pid: int) -> bytes:
    """Give the command line of a process, empty where there is none any more."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""
