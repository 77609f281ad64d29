"""Yesterday's release is the last commit without the newest change to what is deployed."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tools.chaos.yesterday import RELEASED, check_out

pytestmark = pytest.mark.process

GIT = shutil.which("git")


def git(folder: Path, *arguments: str) -> None:
    assert GIT is not None
    who = ("-c", "user.name=Castorche", "-c", "user.email=castorche@example.com")
    subprocess.run([GIT, "-C", str(folder), *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    if GIT is None:
        pytest.skip("there is no git here")
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init")
    for number, name in enumerate(["service/app", "worker/jobs", "mirror/cli", "service/app", "README"]):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(str(number))
        git(folder, "add", "--all")
        git(folder, "commit", "-m", f"change {number} in {name}")
    return folder


def test_it_lacks_the_newest_change_to_what_is_deployed_and_has_the_one_before(
    repository: Path, tmp_path: Path
) -> None:
    release = tmp_path / "release"
    release.mkdir()
    subject = check_out(repository, release, None)
    assert subject is not None
    assert subject.endswith("change 2 in mirror/cli")
    assert sorted(path.name for path in release.iterdir()) == sorted(RELEASED)
    assert (release / "service/app").read_text() == "0"


def test_where_there_is_no_history_it_is_left_out(tmp_path: Path) -> None:
    assert check_out(tmp_path / "nowhere", tmp_path, None) is None
    assert check_out(tmp_path, tmp_path, "no-such-revision") is None
