"""What refused requests cost a web process: `python -m tools.bench.refusing` (Linux). SECURITY.md has the figures.

Each row is many requests over one connection, or one body of 6 MB of one-byte chunks.
"""

import http.client
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from mirror.storage.embedded import embedded_redis
from tools.bench.processes import Server, cpu_seconds, environment, server

WEBHOOK = "/webhooks/partoo"
WRONG = {"X-Partoo-Signature-v1": "A" * 86 + "=="}
CHUNKS = b"1\r\na\r\n" * 1_000_000


def main() -> int:
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_redis(folder) as url,
        server(["service"], environment(url), Path(folder) / "log") as web,
    ):
        sys.stdout.write(f"resident at the start: {_resident_mb(web.pid):.0f} MB\n")
        for words, cost in _rows(web):
            sys.stdout.write(f"{words}: {cost * 1000:.2f} ms of processor time each\n")
        sys.stdout.write(f"resident at the end: {_resident_mb(web.pid):.0f} MB\n")
    return 0


def _rows(web: Server) -> Iterator[tuple[str, float]]:
    small, large = b"a" * 1100, b"a" * 1_000_000
    yield "unknown path, 1.1 KB", _cost(web, 3000, lambda: _post(web, "/nothing", small, {}, 3000))
    yield "no signature, 1.1 KB", _cost(web, 3000, lambda: _post(web, WEBHOOK, small, {}, 3000))
    yield "wrong signature, 1.1 KB", _cost(web, 3000, lambda: _post(web, WEBHOOK, small, WRONG, 3000))
    yield "no signature, 1 MB", _cost(web, 1500, lambda: _post(web, WEBHOOK, large, {}, 1500))
    yield "wrong signature, 1 MB", _cost(web, 300, lambda: _post(web, WEBHOOK, large, WRONG, 300))
    yield "one-byte chunks, 6 MB, unknown path", _cost(web, 1, lambda: _send_chunks(web, "/nothing"))
    yield "one-byte chunks, 6 MB, the webhook's path", _cost(web, 1, lambda: _send_chunks(web, WEBHOOK))


def _cost(web: Server, count: int, send: Callable[[], None]) -> float:
    """Return the processor time of one request, in seconds."""
    before = cpu_seconds(web.pid)
    send()
    # What a connection is still owed after its answer is part of the cost.
    time.sleep(0.5)
    return (cpu_seconds(web.pid) - before) / count


def _post(web: Server, path: str, body: bytes, headers: Mapping[str, str], count: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=10)
    for _ in range(count):
        connection.request("POST", path, body=body, headers=dict(headers))
        connection.getresponse().read()
    connection.close()


def _send_chunks(web: Server, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection, suppress(OSError):
        connection.sendall(head + CHUNKS)


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())
