"""Programs that some tests need and that no Python package has, such as promtool."""

import os
import shutil
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / ".tools" / "usr" / "bin"


def program(name: str) -> str:
    """Return the path of a program; without it, skip the test, or fail it where REVIEWMIRROR_CI is set."""
    folders = (os.environ.get("PATH", os.defpath), str(TOOLS), str(Path(sys.executable).parent))
    path = shutil.which(name, path=os.pathsep.join(folders))
    if path is not None:
        return path
    missing = f"there is no {name}: sh tools/dev/ci-tools.sh brings it"
    if os.environ.get("REVIEWMIRROR_CI"):
        pytest.fail(missing)
    pytest.skip(missing)
