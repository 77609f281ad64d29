"""The fault run itself, in small: kills at the worst moments, a Redis that dies and fills, and a closing act."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]
# The ones that break a mirror whose steps are not one, or whose answers come too early; the rest take minutes.
KINDS = (
    *("commit-kill", "accept-kill", "redis-kill", "link-cut-down", "redis-full", "postgres-kill", "postgres-cut"),
    *("redis-disk-full", "redis-rewrite"),
)


def test_whatever_fails_each_delivery_that_was_answered_200_is_accounted_for_exactly_once(tmp_path: Path) -> None:
    options = ["--short", "--deliveries", "600", "--faults", str(len(KINDS))]
    options += [part for kind in KINDS for part in ("--only", kind)]
    command = [sys.executable, "-m", "tools.chaos", *options, "--results", str(tmp_path / "results.json")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    result = msgspec.json.decode((tmp_path / "results.json").read_bytes())["result"]
    assert result["acknowledged"] == 600
    assert sum(result["faults"].values()) == len(KINDS)
    assert {verdict["check"]: verdict["wrong"] for verdict in result["verdicts"] if verdict["wrong"]} == {}
    assert run.stdout.endswith("Nothing was lost.\n")
