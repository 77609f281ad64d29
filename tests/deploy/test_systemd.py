"""The units: systemd understands them, and finds little that they could do to the machine."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import program

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
# systemd's own scale: 0 is nothing, 100 everything; below 20 is "OK".
MOST_EXPOSURE = 20


def here(unit: Path, folder: Path) -> str:
    """Write a unit as it would be on this machine, where nothing is in /opt; returns its path."""
    text = unit.read_text().replace("/opt/reviewmirror/.venv/bin/python", sys.executable)
    target = folder / unit.name
    target.write_text(text.replace("/opt/reviewmirror", str(ROOT)))
    return str(target)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_finds_nothing_wrong(unit: Path, tmp_path: Path) -> None:
    check = [program("systemd-analyze"), "verify", here(unit, tmp_path)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_process_may_do_little_to_the_machine(unit: Path, tmp_path: Path) -> None:
    options = ["security", "--offline=true", f"--threshold={MOST_EXPOSURE}", "--no-pager"]
    check = [program("systemd-analyze"), *options, here(unit, tmp_path)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_units_differ_in_what_they_start_alone() -> None:
    web, worker = (
        [line for line in unit.read_text().splitlines() if not line.startswith(("ExecStart=", "Description="))]
        for unit in UNITS
    )
    assert web == worker
