"""Programs that some tests need and that no Python package has, such as promtool."""

import os
import shutil
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / ".tools" / "usr" / "bin"


def program(name: str) -> str:
    """Return the path of a program; without it, skip the test, or fail it where REVIEWMIRROR_CI is set."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{TOOLS}")
    if path is not None:
        return path
    missing = f"there is no {name}: sh tools/dev/ci-tools.sh brings it"
    if os.environ.get("REVIEWMIRROR_CI"):
        pytest.fail(missing)
    pytest.skip(missing)
