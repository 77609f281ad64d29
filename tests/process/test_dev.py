"""What a newcomer runs first: the demo, and the stack that stays."""

import os
import re
import signal
import sys
import time
import urllib.request
from pathlib import Path

from tests.process.processes import PATIENCE_S, Process
from tools.dev.stack import free_port

ROOT = Path(__file__).parents[2]


def test_the_demo_shows_what_was_sent_and_what_became_of_it_and_exits_0(tmp_path: Path) -> None:
    demo = Process(["-m", "tools.dev", "demo"], os.environ, tmp_path / "log")
    assert demo.popen.wait(60) == 0, demo.output()
    shown = demo.output()
    for words in ("byte for byte the same as edited", "first seen", "updated", "rating       4 → 3", "vanished"):
        assert words in shown
    assert "reappeared, missing for " in shown
    assert "as it was before" in shown
    assert re.search(r"34-4  reviewmirror\.review\.reappeared  .* \| signed, in order \| 200", shown)


def test_the_stack_stays_says_how_to_reach_it_and_stops_cleanly(tmp_path: Path) -> None:
    port = free_port()
    variables = {**os.environ, "PORT": str(port), "PYTHONPATH": str(ROOT)}
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)  # as an earlier release made it
    folder = Path.cwd()
    try:
        os.chdir(tmp_path)
        stack = Process(["-m", "tools.dev", "run"], variables, tmp_path / "log")
    finally:
        os.chdir(folder)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while "curl" not in stack.output():
            assert stack.ended is None, stack.output()
            assert time.monotonic() < deadline, stack.output()
            time.sleep(0.05)
        token = (data / "api-token").read_text()
        assert f"curl -H 'Authorization: Bearer {token}' http://127.0.0.1:{port}/reviews/34" in stack.output()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            assert answer.status == 200
        assert [path for path in (data, *data.rglob("*")) if path.stat().st_mode & 0o077] == []
        taken = Process(["-m", "tools.dev", "run"], variables, tmp_path / "second")
        assert taken.popen.wait(PATIENCE_S) == 1
        assert f"port {port} is in use" in taken.output()
        assert stack.stop(signal.SIGINT, patience=40) == 0
        assert (tmp_path / "data" / "redis" / "redis.log").exists()
        assert sys.executable in stack.output()
    finally:
        stack.kill()
