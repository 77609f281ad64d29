"""The image: no builder of images is here, so its parts are tried one by one."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process import processes
from tests.programs import program
from tools.dev.stack import free_port

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
# Of the last stage, which is the image.
COPIED = dict(re.findall(r"^COPY (\w+) (/app/\w+)$", DOCKERFILE, re.MULTILINE))


def command(instruction: str) -> list[str]:
    """Read the program that HEALTHCHECK or CMD starts."""
    found = re.search(rf"^{instruction}(\[.+\])$", DOCKERFILE, re.MULTILINE)
    assert found is not None
    arguments: list[str] = json.loads(found[1])
    assert arguments[0] == "python"
    return [sys.executable, *arguments[1:]]


def test_hadolint_finds_nothing_wrong() -> None:
    done = subprocess.run(
        [program("hadolint"), "deploy/Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_what_the_image_holds_is_enough_to_run_and_to_be_found_healthy(tmp_path: Path) -> None:
    app = tmp_path / "app"
    for source, target in COPIED.items():
        shutil.copytree(ROOT / source, tmp_path / target[1:], ignore=shutil.ignore_patterns("__pycache__"))
    port = str(free_port())
    with processes.redis_server(tmp_path) as server:
        variables = processes.environment(server.url, PORT=port)
        check = command("    CMD ")
        assert subprocess.run(check, env=variables, capture_output=True, check=False).returncode != 0
        web = processes.Process(command("CMD ")[1:], variables, tmp_path / "web.log", app)
        worker = processes.Process(["-m", "worker"], variables, tmp_path / "worker.log", app)
        try:
            web.wait_for("service.started")
            worker.wait_for("worker.started")
            assert subprocess.run(check, env=variables, capture_output=True, check=False).returncode == 0
            doctor = [sys.executable, "-m", "mirror", "doctor", "--without-worker"]
            done = subprocess.run(doctor, cwd=app, env=variables, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            assert (web.stop(), worker.stop()) == (0, 0)
        finally:
            web.kill()
            worker.kill()


def test_what_is_copied_is_sent_to_the_builder_and_nothing_else_is() -> None:
    ignored, *let_in = (ROOT / ".dockerignore").read_text().splitlines()[1:]
    assert ignored == "*"
    assert {line[1:] for line in let_in if line.startswith("!")} == {*COPIED, "requirements*.txt"}


def test_it_runs_as_nobody_from_images_with_a_version() -> None:
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    version = (ROOT / ".python-version").read_text().strip()
    assert set(bases) == {f"python:{version}-slim-bookworm"}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-extras.txt"])
def test_pip_installs_nothing_without_a_hash(name: str) -> None:
    assert (ROOT / name).exists()
    (install,) = re.findall(r"pip install ([^\n]+) \\$", DOCKERFILE, re.MULTILINE)
    assert {"--no-deps", "--require-hashes"} <= set(shlex.split(install))
