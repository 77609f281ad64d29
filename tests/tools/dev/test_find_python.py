"""find-python.sh: the Python that `make` sets up with."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

SCRIPT = Path(__file__).parents[3] / "tools" / "dev" / "find-python.sh"


def put(folder: Path, name: str, version: tuple[int, int] = (3, 13), *, without: str = "nothing") -> str:
    """Put a command there that passes for a Python of this version which lacks a module."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"#!{sys.executable}\n"
        f"import sys\nsys.version_info = {(*version, 0)}\nsys.modules[{without!r}] = None\nexec(sys.argv[2])\n"
    )
    path.chmod(0o755)
    return str(path)


def find(folder: Path, *given: str) -> tuple[int, str, str]:
    environment = {"PATH": f"{folder}:{os.defpath}", "HOME": str(folder)}
    ended = subprocess.run(["/bin/sh", SCRIPT, *given], env=environment, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout.strip(), ended.stderr


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine whose own Pythons, whatever they are, are all too old."""
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14", "python"):
        put(tmp_path, name, (3, 10))
    return tmp_path


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13), (3, 14)])
def test_the_python_of_the_machine_is_taken_if_it_can_do_everything(machine: Path, version: tuple[int, int]) -> None:
    put(machine, "python3", version)
    assert find(machine) == (0, "python3", "")


@pytest.mark.parametrize("lacks", ["venv", "ensurepip", "ssl"])
def test_one_that_can_do_everything_comes_before_one_that_lacks_a_module(machine: Path, lacks: str) -> None:
    put(machine, "python3", (3, 13), without=lacks)
    put(machine, "python3.11", (3, 11))
    assert find(machine) == (0, "python3.11", "")


def test_one_that_was_tried_comes_before_a_newer_one(machine: Path) -> None:
    put(machine, "python3", (3, 15))
    put(machine, "python3.14", (3, 14))
    assert find(machine) == (0, "python3.14", "")


def test_a_newer_one_alone_is_taken_with_a_warning(machine: Path) -> None:
    put(machine, "python3", (3, 15))
    status, found, said = find(machine)
    assert (status, found) == (0, "python3")
    assert "has not been tried" in said


def test_where_there_is_none_it_says_what_each_lacks(machine: Path) -> None:
    put(machine, "python3", (3, 12), without="ensurepip")
    status, found, said = find(machine)
    assert (status, found) == (1, "")
    assert "python3 is Python 3.12 without its module ensurepip\n" in said
    assert "python3.11 is Python 3.10, which is too old\n" in said
    assert "make PYTHON=" in said


def test_a_python_that_pyenv_keeps_is_found_though_its_commands_refuse(machine: Path) -> None:
    (machine / "python3").write_text("#!/bin/sh\necho 'pyenv: version `3.12` is not installed' >&2\nexit 1\n")
    kept = put(machine, ".pyenv/versions/3.13.0/bin/python")
    assert find(machine) == (0, kept, "")


def test_the_one_that_is_given_is_the_only_one_looked_at(machine: Path) -> None:
    put(machine, "python3")
    old = put(machine, "folder/old python", (3, 9))
    status, found, said = find(machine, old)
    assert (status, found) == (1, "")
    assert "old python is Python 3.9, which is too old" in said
    assert find(machine, "") == (0, "python3", "")
