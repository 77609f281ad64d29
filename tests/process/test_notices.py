"""What goes wrong in a real fleet gives one notice and one that it is over, to a real receiver."""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import requests
from standardwebhooks import Webhook

from mirror.storage import keys
from tests.process import processes
from tests.process.processes import Process, RedisServer, environment
from tests.support import make_body, make_review, signed
from tools.dev.stack import free_port

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
PATIENCE_S = 40.0


class Receiver(BaseHTTPRequestHandler):
    """The operator's receiver, an endpoint of outgoing webhooks, and Partoo's API: each as the test wants it."""

    notices: ClassVar[list[dict[str, Any]]] = []
    endpoint_status: ClassVar[int] = 204
    partoo_status: ClassVar[int] = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/notices":
            Webhook(SECRET).verify(body, dict(self.headers.items()))
            self.notices.append(json.loads(body))
        self._answer(self.endpoint_status if self.path == "/endpoint" else 204)

    def do_GET(self) -> None:
        page = {"page": 1, "max_page": 1, "count": 0, "reviews": []}
        self._answer(self.partoo_status, json.dumps(page).encode())

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Be quiet."""


@pytest.fixture
def receiver() -> Iterator[str]:
    Receiver.notices, Receiver.endpoint_status, Receiver.partoo_status = [], 204, 200
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with processes.redis_server(tmp_path) as found:
        yield found


class Fleet:
    """A web process and workers that are hurried, and somebody who sends a delivery every second."""

    def __init__(self, server: RedisServer, receiver: str, folder: Path, running: ExitStack) -> None:
        self._folder, self._running = folder, running
        port = free_port()
        self._webhook = f"http://127.0.0.1:{port}/webhooks/partoo"
        self.sending = threading.Event()
        self._ended = threading.Event()
        self.answers: list[int] = []
        self.variables = environment(
            server.url,
            PORT=str(port),
            ALERT_WEBHOOK_URL=f"{receiver}/notices",
            ALERT_WEBHOOK_SECRET=SECRET,
            OUTGOING_ALLOW_PRIVATE="on",
            PARTOO_API_KEY="a-key",
            PARTOO_API_URL=receiver,
            VERIFICATION_DELAY="0s",
            SILENCE_AFTER="20s",
        )

    def start(self, kind: str, name: str) -> Process:
        process = Process(["-m", "tests.process.hurried", kind], self.variables, self._folder / f"{name}.log")
        self._running.callback(process.kill)
        process.wait_for("service.started" if kind == "service" else "worker.started")
        return process

    def add_endpoint(self, url: str) -> None:
        command = [sys.executable, "-m", "mirror", "endpoints", "add", url]
        subprocess.run(command, env=self.variables, check=True, capture_output=True)

    def begin_sending(self) -> None:
        thread = threading.Thread(target=self._send)
        thread.start()
        self._running.callback(thread.join)
        self._running.callback(self._ended.set)
        self.sending.set()

    def _send(self) -> None:
        review_id = 100
        while not self._ended.wait(1.0):
            if self.sending.is_set():
                review_id += 1
                body = make_body(make_review(review_id))
                self.answers.append(
                    requests.post(self._webhook, data=body, headers=signed(body), timeout=10).status_code
                )


@pytest.fixture
def fleet(server: RedisServer, receiver: str, tmp_path: Path) -> Iterator[Fleet]:
    with ExitStack() as running:
        yield Fleet(server, receiver, tmp_path, running)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what}: {[one['data'] for one in Receiver.notices]}"
        time.sleep(0.05)


def told(key: str) -> list[str]:
    return [one["data"]["kind"] for one in Receiver.notices if one["data"]["key"].split(":")[0] == key]


def opens(key: str) -> None:
    wait_for(lambda: told(key) == ["opened"], f"{key} is told")


def is_over(key: str) -> None:
    wait_for(lambda: told(key) == ["opened", "resolved"], f"{key} is over")


def test_each_thing_that_goes_wrong_is_told_once_and_once_that_it_is_over(
    server: RedisServer, receiver: str, fleet: Fleet
) -> None:
    client = server.client()
    fleet.start("worker", "first")
    second = fleet.start("worker", "second")
    fleet.start("service", "web")
    wait_for(lambda: client.zcard(keys.WORKERS) == 2, "both workers beat")
    fleet.add_endpoint(f"{receiver}/endpoint")
    fleet.begin_sending()
    wait_for(lambda: client.exists(keys.record(101)) == 1, "a delivery is applied")

    second.kill()
    opens("workers")
    fleet.start("worker", "third")
    is_over("workers")

    Receiver.partoo_status = 401
    client.zadd(keys.VERIFY, {"101": 0})
    opens("partoo_key")
    Receiver.partoo_status = 200
    is_over("partoo_key")

    Receiver.endpoint_status = 500
    opens("endpoint")
    Receiver.endpoint_status = 204
    is_over("endpoint")

    memory: Any = client.info("memory")
    client.config_set("maxmemory", memory["used_memory"])
    opens("redis")
    client.config_set("maxmemory", 0)
    is_over("redis")

    fleet.sending.clear()
    opens("silence")
    fleet.sending.set()
    is_over("silence")

    client.close()
    assert {200, 503} == set(fleet.answers)
    counted = Counter((one["data"]["key"].split(":")[0], one["data"]["kind"]) for one in Receiver.notices)
    keys_told = ("workers", "partoo_key", "endpoint", "redis", "silence")
    assert counted == Counter((key, kind) for key in keys_told for kind in ("opened", "resolved"))
    for one in Receiver.notices:
        assert one["data"]["what"]
        assert one["data"]["look"]
        assert one["type"] == f"reviewmirror.notice.{one['data']['kind']}"
