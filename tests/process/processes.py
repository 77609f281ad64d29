"""Real processes for tests: redis-server, web and worker, each ended by the test that started it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from mirror.storage.embedded import find_server
from tests.support import API_TOKEN, SIGNER
from tools.dev.stack import free_port

PATIENCE_S = 20.0


def environment(redis_url: str, **variables: str) -> dict[str, str]:
    return {
        **os.environ,
        "PARTOO_PUBLIC_KEYS": SIGNER.public_key,
        "API_TOKEN": API_TOKEN,
        "BIND_HOST": "127.0.0.1",
        "LOG_FORMAT": "json",
        "REDIS_URL": redis_url,
        **variables,
    }


class Process:
    """A process whose log lines can be read; `ended` is its exit status once it has ended."""

    def __init__(
        self, arguments: list[str], variables: Mapping[str, str], log: Path, folder: Path | None = None
    ) -> None:
        self._log = log
        with log.open("ab") as stream:
            self.popen = subprocess.Popen(
                [sys.executable, *arguments],
                env=dict(variables),
                cwd=folder,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def ended(self) -> int | None:
        return self.popen.poll()

    def output(self) -> str:
        return self._log.read_text()

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.output().splitlines() if line.startswith("{")]
        return [line for line in lines if event is None or line["event"] == event]

    def wait_for(self, event: str, count: int = 1) -> dict[str, Any]:
        """Wait until the log has this many lines of an event, and return the last of them."""
        deadline = time.monotonic() + PATIENCE_S
        while len(found := self.lines(event)) < count:
            assert self.ended is None, self.output()
            assert time.monotonic() < deadline, f"no {event} in\n{self.output()}"
            time.sleep(0.02)
        return found[-1]

    def stop(self, number: signal.Signals = signal.SIGTERM, patience: float = 25.0) -> int:
        """Send a signal and return the exit status; the patience is what the platform has."""
        if self.ended is None:
            self.popen.send_signal(number)
        return self.popen.wait(patience)

    def kill(self) -> None:
        if self.ended is None:
            self.popen.kill()
        self.popen.wait()


@contextmanager
def running(module: str, variables: Mapping[str, str], log: Path) -> Iterator[Process]:
    process = Process(["-m", module], variables, log)
    try:
        yield process
    finally:
        # A web process with children is given the time to end them.
        if process.ended is None:
            process.popen.terminate()
            try:
                process.popen.wait(25)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def service(redis_url: str, log: Path, **variables: str) -> Iterator[tuple[Process, str]]:
    """Run the web process on a free port; gives it with its URL once it answers."""
    port = free_port()
    with running("service", environment(redis_url, PORT=str(port), **variables), log) as process:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                with urllib.request.urlopen(f"{url}/healthz", timeout=2):
                    break
            except OSError:
                assert process.ended is None, process.output()
                assert time.monotonic() < deadline, process.output()
                time.sleep(0.05)
        yield process, url


@contextmanager
def worker(redis_url: str, log: Path, **variables: str) -> Iterator[Process]:
    """Run a worker; gives it once it has started."""
    with running("worker", environment(redis_url, **variables), log) as process:
        process.wait_for("worker.started")
        yield process


class RedisServer:
    """A redis-server on a TCP port that a test may kill, stop and start again on the same append-only file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.popen: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--save", ""]
        arguments += ["--appendonly", "yes", "--appendfsync", "always", "--logfile", str(self._folder / "redis.log")]
        self.popen = subprocess.Popen([find_server(), *arguments, *options], start_new_session=True)
        deadline = time.monotonic() + PATIENCE_S
        client = self.client()
        while True:
            try:
                client.ping()
                break
            except redis.RedisError:
                assert time.monotonic() < deadline, "redis-server does not start"
                time.sleep(0.02)
        client.close()

    def client(self) -> "redis.Redis":
        return redis.Redis(port=self.port, socket_timeout=5)

    def signal(self, number: signal.Signals) -> None:
        assert self.popen is not None
        self.popen.send_signal(number)

    def kill(self) -> None:
        if self.popen is not None:
            self.popen.kill()
            self.popen.wait()
            self.popen = None


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    server = RedisServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
