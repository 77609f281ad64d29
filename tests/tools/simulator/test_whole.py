"""The simulator against the real stack: what it sends over a faulty wire is what the mirror shows in the end."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.process import processes
from tests.support import API_TOKEN, SIGNER
from tools.simulator.key_file import save_signer

pytestmark = pytest.mark.process


def simulator(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "tools.simulator", *args], capture_output=True, text=True, check=False)


def test_a_mirror_that_was_sent_a_population_over_a_faulty_wire_shows_the_truth(tmp_path: Path) -> None:
    key, truth = tmp_path / "test.key", tmp_path / "truth.json"
    save_signer(SIGNER, key)
    with (
        processes.redis_server(tmp_path) as redis,
        processes.service(redis.url, tmp_path / "web") as (_, url),
        processes.worker(redis.url, tmp_path / "worker"),
    ):
        where = ("--url", f"{url}/webhooks/partoo", "--key", str(key), "--truth-file", str(truth))
        served = simulator("serve", *where, "--wire", "faulty", "--reviews", "40", "--days", "20")
        assert served.returncode == 0, served.stderr
        told = simulator("compare", "--mirror", url, "--token", API_TOKEN, "--truth", str(truth), "--wait", "10")
        assert told.returncode == 0, told.stdout
