"""What refused requests cost a real web process in memory and in time."""

import http.client
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.process import processes
from tests.support import WEBHOOK

MAX_RSS_MB = 150
SECRET = "a-secret"


def rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def cpu_s(pid: int) -> float:
    """Return how long a process has kept a processor busy, its system calls included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize(
    ("signature", "status"),
    [(None, 401), ("A" * 86 + "==", 401), ("A" * 86 + "==", 404)],
    ids=["no", "wrong", "secret"],
)
def test_refused_bodies_do_not_pile_up(redis_url: str, tmp_path: Path, signature: str | None, status: int) -> None:
    variables = {"PARTOO_WEBHOOK_SECRET": SECRET} if status == 404 else {}
    with processes.service(redis_url, tmp_path / "log", **variables) as (process, url):
        address = urlsplit(url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port)
        body = b"a" * 1_000_000
        headers = {} if signature is None else {"X-Partoo-Signature-v1": signature}
        for _ in range(400):
            connection.request("POST", WEBHOOK, body=body, headers=headers)
            answer = connection.getresponse()
            assert answer.status == status
            answer.read()
        connection.close()
        assert rss_mb(process.pid) < MAX_RSS_MB


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the time is read from /proc")
@pytest.mark.parametrize("path", [WEBHOOK, "/nothing", "/reviews"])
def test_one_byte_chunks_cost_little_at_any_path(redis_url: str, tmp_path: Path, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunks = b"1\r\na\r\n" * 1_000_000
    with processes.service(redis_url, tmp_path / "log") as (process, url):
        address = urlsplit(url)
        before = cpu_s(process.pid)

        def send() -> None:
            with socket.create_connection((str(address.hostname), address.port), timeout=5) as connection:
                try:
                    connection.sendall(head + chunks)
                except OSError:
                    return

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        time.sleep(0.3)
        # 24 MB: what aiohttp parses while it lingers cost 8 s.
        assert cpu_s(process.pid) - before < 1.0
