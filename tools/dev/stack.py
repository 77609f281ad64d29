"""Redis, web and worker as real processes on loopback, started together and stopped together."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mirror.storage.embedded import embedded_redis

READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 28.0


class StackError(RuntimeError):
    """The stack does not come up, or a process of it ended; the message is one line for people."""


class Stack:
    """A running stack: `url` of the web process, `environment` that another process needs to join it."""

    def __init__(
        self, url: str, environment: Mapping[str, str], processes: "Mapping[str, subprocess.Popen[bytes]]"
    ) -> None:
        self.url = url
        self.environment = environment
        self._processes = processes

    def ended(self) -> str | None:
        """Name a process that has ended by itself, if one has."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                return f"{name} (exit status {process.returncode})"
        return None


def free_port() -> int:
    """Find a port on loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_taken(port: int) -> bool:
    """Tell whether something listens on this port of loopback already."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def stack_environment(port: int, redis_url: str, variables: Mapping[str, str]) -> dict[str, str]:
    """Make the environment of the stack's processes, on loopback."""
    return {
        **os.environ,
        "BIND_HOST": "127.0.0.1",
        "WEB_CONCURRENCY": "1",
        "PARTOO_WEBHOOK_SECRET": "",
        **variables,
        "PORT": str(port),
        "REDIS_URL": redis_url,
    }


@contextmanager
def running(data_dir: Path, port: int, variables: Mapping[str, str], log: IO[bytes] | None = None) -> Iterator[Stack]:
    """Run the stack while the context lasts, its Redis in `data_dir`, its log lines on stdout or in `log`.

    Raises StackError if it is not ready within READY_TIMEOUT_S.
    """
    with embedded_redis(str(data_dir / "redis")) as redis_url:
        environment = stack_environment(port, redis_url, variables)
        processes: dict[str, subprocess.Popen[bytes]] = {}
        try:
            for name in ("service", "worker"):
                processes[name] = start_process(name, environment, log)
            stack = Stack(f"http://127.0.0.1:{port}", environment, processes)
            wait_until_ready(stack)
            yield stack
        finally:
            stop_processes(processes)


def start_process(name: str, environment: Mapping[str, str], log: IO[bytes] | None) -> "subprocess.Popen[bytes]":
    """Start `python -m name`, a process of the stack."""
    return subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", name],
        env=dict(environment),
        stdout=log,
        stderr=log,
        # A session of its own: Ctrl-C reaches us alone, and we stop the rest in order.
        start_new_session=True,
    )


def wait_until_ready(stack: Stack) -> None:
    """Return when `/readyz` says so. Raises StackError if a process ends, or after READY_TIMEOUT_S."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if ended := stack.ended():
            raise StackError(f"{ended} ended while starting; its log says why")
        try:
            with urllib.request.urlopen(f"{stack.url}/readyz", timeout=5):  # noqa: S310 - http on loopback
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise StackError(f"not ready after {READY_TIMEOUT_S:g} s; the log says why")


def stop_processes(processes: "Mapping[str, subprocess.Popen[bytes]]") -> None:
    """Stop processes as a platform does: SIGTERM, and SIGKILL for those that do not end."""
    for process in processes.values():
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    for process in processes.values():
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
