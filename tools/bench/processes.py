"""Contestants as processes, and what the system says they cost."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tools.bench.requests import SIGNER
from tools.dev.stack import free_port

START_TIMEOUT_S = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")


def environment(redis_url: str, **variables: str) -> dict[str, str]:
    return {
        **os.environ,
        "REDIS_URL": redis_url,
        "PARTOO_PUBLIC_KEYS": SIGNER.public_key,
        "BIND_HOST": "127.0.0.1",
        "LOG_FORMAT": "json",
        **variables,
    }


@contextmanager
def process(arguments: Sequence[str], variables: Mapping[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `python -m …` with its output in a file, and end it."""
    with log.open("ab") as stream:
        running = subprocess.Popen(  # noqa: S603 - our own modules
            [sys.executable, "-m", *arguments], env=dict(variables), stdout=stream, stderr=stream
        )
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


class Server(msgspec.Struct, frozen=True):
    """Where a web server listens, and the process that it is, or that its processes are children of."""

    port: int
    pid: int


@contextmanager
def server(arguments: Sequence[str], variables: Mapping[str, str], log: Path) -> Iterator[Server]:
    """Run a web server whose arguments may hold {port}; gives it once it listens."""
    port = free_port()
    filled = [argument.format(port=port) for argument in arguments]
    with process(filled, {**variables, "PORT": str(port)}, log) as running:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _listens(port):
            if running.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(filled)} does not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        time.sleep(0.5)
        yield Server(port, running.pid)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def cpu_seconds(pid: int) -> float:
    """Return the processor time a process has used, in seconds (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def family_cpu_seconds(pid: int) -> float:
    """Return the processor time that a process and its children have used, in seconds (Linux)."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return cpu_seconds(pid) + sum(cpu_seconds(int(child)) for child in children)


def peak_mb(pid: int) -> float:
    """Return the most memory that a process has held at once, in MB (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return round(int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024, 1)


class Answers(msgspec.Struct):
    """What `tools.bench.load` measured; times in milliseconds."""

    per_second: float
    answers: int
    errors: int
    generator_busy: float
    answered_ms: dict[str, float]
    visible: int
    visible_ms: dict[str, float]


def load(port: int, requests: Path, seconds: float, *options: str) -> Answers:
    """Run the load against a port. Raises RuntimeError if an answer was not a 200."""
    command = [sys.executable, "-m", "tools.bench.load", str(port), str(requests), "--seconds", str(seconds), *options]
    answers = msgspec.json.decode(
        subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout,  # noqa: S603 - our own module
        type=Answers,
    )
    if answers.errors:
        raise RuntimeError(f"{answers.errors} answers of {answers.answers} were errors")
    return answers
