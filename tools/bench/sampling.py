"""`python -m tools.bench.sampling`: where the processor time of a delivery goes, in the web process and in the worker.

Both are sampled by py-spy while they work: the web process under the load of `make bench`, the worker at a full inbox.
A sample counts for the first of the rows below that has a frame in it, so that what a library does for the log line
counts for the log line. py-spy must be allowed to look into a process: on Linux to root, or with
`kernel.yama.ptrace_scope` 0; on macOS to root.
"""

import asyncio
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import redis

from mirror.storage.embedded import embedded_redis
from tools.bench.draining import applied, changes, fill, wait_until_applied
from tools.bench.processes import cpu_seconds, environment, load, process, server
from tools.bench.requests import write_requests

SAMPLES_A_SECOND = 500
WARM_S, SECONDS = 2.0, 12.0
DELIVERIES = 60_000
REQUESTS = 20_000

# Parts of the file names that py-spy tells, by row.
Rows = Mapping[str, tuple[str, ...]]
WEB: Rows = {
    "the log line": ("service/outcomes.py", "mirror/logs.py"),
    "verifying the signature": ("mirror/domain/signature.py",),
    "the body's type and id": ("mirror/domain/wire.py",),
    "the write to Redis, shared": ("service/acknowledger.py", "mirror/storage/", "redis/"),
    "the rest of what is this service's": ("service/intake.py", "service/webhook.py", "service/delivery.py"),
    "aiohttp, the event loop, and what stands around every request": ("",),
}
WORKER: Rows = {
    "the log line": ("worker/delivery_log.py", "mirror/logs.py"),
    "deciding": ("worker/deciding.py",),
    "redis-py": ("redis/",),
    "the commit's values, packed": ("mirror/storage/commit.py",),
    "claiming": ("mirror/storage/inbox.py",),
    "arq": ("arq/",),
    "the event loop and the rest": ("",),
}


class ProfileError(RuntimeError):
    """py-spy does not run, or may not look; the message says what it said."""


def table(title: str, shares: Mapping[str, float], us: float) -> list[str]:
    lines = [f"| {title} | share | µs a delivery |", "| --- | --- | --- |"]
    lines += [f"| {row} | {share:.0%} | {share * us:.1f} |" for row, share in shares.items()]
    return [*lines, f"| all | 100% | {us:.1f} |", ""]


def profile_web(redis_url: str, folder: Path) -> list[str]:
    requests = folder / "requests"
    write_requests(requests, REQUESTS, REQUESTS)
    with server(["service"], environment(redis_url), folder / "web.log") as web:
        load(web.port, requests, WARM_S)
        with _sampled(web.pid, folder / "web.samples") as samples:
            before = cpu_seconds(web.pid)
            answers = load(web.port, requests, SECONDS).answers
            us = (cpu_seconds(web.pid) - before) / answers * 1e6
    return table("web process, an acknowledgement", _shares(samples(), WEB), us)


def profile_worker(redis_url: str, folder: Path) -> list[str]:
    client = redis.Redis.from_url(redis_url)
    asyncio.run(fill(redis_url, changes(DELIVERIES, DELIVERIES)))
    with process(["worker"], environment(redis_url), folder / "worker.log") as worker:
        wait_until_applied(client, DELIVERIES // 10)
        with _sampled(worker.pid, folder / "worker.samples") as samples:
            begun, before = applied(client), cpu_seconds(worker.pid)
            wait_until_applied(client, DELIVERIES)
            us = (cpu_seconds(worker.pid) - before) / (DELIVERIES - begun) * 1e6
    client.close()
    return table("worker, a delivery of a review of its own", _shares(samples(), WORKER), us)


@contextmanager
def _sampled(pid: int, file: Path) -> Iterator[Callable[[], str]]:
    """Sample a process within the block; what is given tells the samples, once it is left."""
    options = ["--rate", str(SAMPLES_A_SECOND), "--nonblocking", "--format", "raw", "--output", str(file)]
    command = [str(Path(sys.executable).with_name("py-spy")), "record", *options, "--pid", str(pid)]
    spy = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # noqa: S603
    said = ""

    def samples() -> str:
        if not file.exists() or not file.stat().st_size:
            raise ProfileError(f"py-spy gave no samples: {said.strip()}")
        return file.read_text()

    try:
        yield samples
    finally:
        spy.send_signal(signal.SIGINT)
        said = spy.communicate(timeout=30)[0]


def _shares(samples: str, rows: Rows) -> dict[str, float]:
    """Sort samples, a line each of frames from the outermost on and how often it was seen, into rows."""
    counts = Counter[str]()
    for line in samples.splitlines():
        stack, _, times = line.rpartition(" ")
        row = next(row for row, files in rows.items() if any(file in stack for file in files))
        counts[row] += int(times)
    return {row: counts[row] / counts.total() for row in rows}


def main() -> int:
    try:
        with (
            tempfile.TemporaryDirectory(prefix="reviewmirror-profile-") as name,
            embedded_redis(f"{name}/redis") as url,
        ):
            lines = profile_web(url, Path(name))
            redis.Redis.from_url(url).flushall()
            lines += profile_worker(url, Path(name))
    except (ProfileError, FileNotFoundError) as error:
        sys.stderr.write(f"tools.bench.sampling: {error}\n")
        return 1
    sys.stdout.write("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
