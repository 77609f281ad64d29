"""Runs `python -m mirror …` for tests.

Importing it takes half a second, so each command runs in a fork of a process that has imported it: still a process of
its own, with its own environment, streams and exit status.
"""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import TextIO

from mirror.cli import main
from tests.process.processes import environment

_PATIENCE_S = 30.0
_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(["pytest", __name__])


def mirror(redis_url: str, *arguments: str, **variables: str) -> CompletedProcess[str]:
    """Run a command against a Redis; fails the test if it takes longer than `_PATIENCE_S`."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = _FORKING.Process(
            target=_run, args=(arguments, environment(redis_url, COLUMNS="120", **variables), out, err)
        )
        process.start()
        process.join(_PATIENCE_S)
        status = process.exitcode
        if status is None:
            process.kill()
            process.join()
        assert status is not None, f"{arguments} takes longer than {_PATIENCE_S} s: {err.read_text()}"
        process.close()
        return CompletedProcess(["mirror", *arguments], status, out.read_text(), err.read_text())


def _run(arguments: Sequence[str], variables: Mapping[str, str], out: Path, err: Path) -> None:
    os.environ.clear()
    os.environ.update(variables)
    sys.stdout = _redirect(out, 1)
    sys.stderr = _redirect(err, 2)
    sys.exit(main(arguments))


def _redirect(path: Path, number: int) -> TextIO:
    with path.open("wb") as file:
        os.dup2(file.fileno(), number)
    encoding = os.environ.get("PYTHONIOENCODING", "utf-8")
    return open(number, "w", encoding=encoding, closefd=False)
