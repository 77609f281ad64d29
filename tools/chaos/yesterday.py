"""Yesterday's release: the last commit that lacks the newest change, checked out into a folder."""

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

RELEASED = ("service", "worker", "mirror")


def check_out(root: Path, folder: Path, revision: str | None) -> str | None:
    """Put the release before this one into `folder`, and name it; None where git or its history is not at hand."""
    git = shutil.which("git")
    if git is None:
        return None
    try:
        name = revision or _before_newest(git, root)
        archive = _run(git, root, "archive", name, *RELEASED)
        subject = _run(git, root, "log", "-1", "--format=%h %s", name).decode().strip()
    except (subprocess.CalledProcessError, IndexError):
        return None
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return subject


def _before_newest(git: str, root: Path) -> str:
    """Name the commit before the one that last changed what is deployed."""
    return _run(git, root, "log", "--format=%H", "-2", "--", *RELEASED).decode().split()[1]


def _run(git: str, root: Path, *arguments: str) -> bytes:
    return subprocess.run(  # noqa: S603 - our own arguments
        [git, "-C", str(root), *arguments], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ).stdout
