"""One run: a seeded life of reviews, sent by the simulator through real processes; then both are compared."""

import json
import random
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mirror.storage.embedded import embedded_redis
from tools.accuracy.wires import Conditions
from tools.dev.keys import public_key_line
from tools.dev.stack import (
    Stack,
    StackError,
    free_port,
    stack_environment,
    start_process,
    stop_processes,
    wait_until_ready,
)

TOKEN = "faithful"  # noqa: S105 - on loopback, for this run
API_KEY = "a-key-for-the-simulator"
# A day lasts a second or so, but processes are restarted and answers repeated in real time. So the windows in which a
# late copy is possible cannot shrink as days do: each covers the longest that one takes here.
LATE_WINDOWS = dict.fromkeys(("REDELIVERY_WINDOW", "REORDER_WINDOW", "LATE_WINDOW"), "20s")
# In production it is a week, and so it is here, in days of the simulation.
GRACE_DAYS = 7
VERIFICATION_DELAY = "2500ms"
# A question claimed by a worker that was killed is asked again when its lease of three minutes ends.
QUIET_TIMEOUT_S = 300.0
# What has not changed for so long will not: the longest lag is over by then, and what failed was asked again.
REST_S = 45.0
# How many faults our own house has in a run with disruptions.
DISRUPTIONS = 6

# Gauges of what is still to be done, and what each counts as where it is not shown.
_OPEN_WORK = {"waiting_reviews": 1, "open_questions": 1, "second_looks": 0}

_told_to_stop = threading.Event()


def stop() -> None:
    """Have all runs of this process, in whatever threads, end their processes and raise StackError."""
    _told_to_stop.set()


def told_to_stop() -> bool:
    return _told_to_stop.is_set()


def _pause(seconds: float) -> None:
    if _told_to_stop.wait(max(0.0, seconds)):
        raise StackError("told to stop")


@dataclass(frozen=True)
class Life:
    """What is simulated: how many reviews, over how many days, in how many real seconds."""

    reviews: int
    days: int
    seconds: float
    seed: int

    @property
    def day_ms(self) -> float:
        """How long a day lasts, in real milliseconds."""
        return self.seconds * 1000 / self.days

    def options(self) -> list[str]:
        speed = self.days * 86_400 / self.seconds
        said = {"--reviews": self.reviews, "--days": self.days, "--seed": self.seed, "--speed": speed}
        return [part for name, value in said.items() for part in (name, str(value))]


@dataclass(frozen=True)
class _Partoo:
    """The simulator as this run needs it: the key that it signs with, the port of its API, a folder for its output."""

    key_file: Path
    api_port: int
    folder: Path


@dataclass(frozen=True)
class Outcome:
    """What a run ended with.

    `wrong` and `wrong_proven` count reviews, `unproven` and `ambiguous` those that the mirror calls so, `history` the
    entries missing from and added to histories.
    """

    reviews: int
    wrong: int
    wrong_proven: int
    unproven: int
    ambiguous: int
    differing: list[dict[str, Any]]
    history_missing: int
    history_surplus: int
    differing_histories: list[dict[str, Any]]
    deliveries: int
    returns: int
    api_requests: int
    disruptions: int
    lost: int


class _House(ExitStack):
    """Redis, web and worker, each of which can be made to fail while it runs."""

    def __init__(self, folder: Path, variables: dict[str, str], log: IO[bytes]) -> None:
        super().__init__()
        self._folder = folder
        self._log = log
        self._redis = ExitStack()
        port = free_port()
        redis_url = self._redis.enter_context(embedded_redis(str(folder / "redis")))
        self.callback(self._redis.close)
        self.environment = stack_environment(port, redis_url, variables)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.callback(lambda: stop_processes(self.processes))
        for name in ("service", "worker"):
            self.processes[name] = start_process(name, self.environment, log)
        self.stack = Stack(f"http://127.0.0.1:{port}", self.environment, self.processes)

    def kill_worker(self) -> None:
        self.processes["worker"].kill()
        self.processes["worker"].wait()
        self.processes["worker"] = start_process("worker", self.environment, self._log)

    def kill_service(self) -> None:
        self.processes["service"].kill()
        self.processes["service"].wait()
        self.processes["service"] = start_process("service", self.environment, self._log)

    def restart_redis(self) -> None:
        self._redis.close()
        self._redis.enter_context(embedded_redis(str(self._folder / "redis")))


def run(folder: Path, life: Life, conditions: Conditions, *, with_key: bool) -> Outcome:
    """Play a life under these conditions, wait until all is quiet, and compare.

    Raises StackError if the stack does not do, or when told to stop.
    """
    _pause(0)
    folder.mkdir()
    partoo = _Partoo(folder / "simulator.key", free_port(), folder)
    variables = {
        "PARTOO_PUBLIC_KEYS": public_key_line(partoo.key_file),
        "API_TOKEN": TOKEN,
        **LATE_WINDOWS,
        "DELETION_GRACE": f"{round(GRACE_DAYS * life.day_ms)}ms",
        "PARTOO_API_URL": f"http://127.0.0.1:{partoo.api_port}/v2",
        "PARTOO_API_KEY": API_KEY if with_key else "",
        "PARTOO_API_RATE": "60000",
        "VERIFICATION_DELAY": VERIFICATION_DELAY,
        "LOG_FORMAT": "json",
    }
    with (folder / "log").open("wb") as log, _House(folder, variables, log) as house:
        wait_until_ready(house.stack)
        with _simulator(life, conditions, house.stack.url, partoo) as simulator:
            done = _disrupt(house, life, simulator) if conditions.disrupted else 0
            summary = _wait_until_sent(simulator, folder / "sent")
            _wait_until_quiet(house.stack, omits=conditions.omits)
            return _outcome(house.stack, partoo, summary, done)


@contextmanager
def _simulator(life: Life, conditions: Conditions, url: str, partoo: _Partoo) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "tools.simulator", "serve", *life.options(), "--wire", conditions.preset]
    command += [
        *conditions.options,
        "--url",
        f"{url}/webhooks/partoo",
        "--key",
        str(partoo.key_file),
        "--retry-base",
        "0.3",
        "--json",
        "--stay",
    ]
    command += ["--api-port", str(partoo.api_port), "--api-key", API_KEY, "--api-per-minute", "0"]
    with (partoo.folder / "sent").open("wb") as out, (partoo.folder / "simulator.log").open("wb") as errors:
        process = subprocess.Popen(command, stdout=out, stderr=errors)  # noqa: S603 - our own module
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _disrupt(house: _House, life: Life, simulator: "subprocess.Popen[bytes]") -> int:
    """Kill and restart, at seeded moments while the simulator sends; gives how often."""
    chance = random.Random(life.seed)  # noqa: S311 - repeatable, not secret
    faults = (house.kill_worker, house.restart_redis, house.kill_service)
    started = time.monotonic()
    for number, share in enumerate(sorted(chance.uniform(0.05, 0.9) for _ in range(DISRUPTIONS))):
        _pause(started + share * life.seconds - time.monotonic())
        if simulator.poll() is not None:
            return number
        faults[number % len(faults)]()
    return DISRUPTIONS


def _wait_until_sent(simulator: "subprocess.Popen[bytes]", out: Path) -> dict[str, Any]:
    """Wait for the simulator's summary: with it, everything has been acknowledged or lost."""
    deadline = time.monotonic() + QUIET_TIMEOUT_S
    while time.monotonic() < deadline:
        for line in out.read_text().splitlines():
            said: dict[str, Any] = json.loads(line)
            if "deliveries" in said:
                return said
        if simulator.poll() is not None:
            raise StackError(f"the simulator ended with status {simulator.returncode}")
        _pause(0.1)
    raise StackError("the simulator does not come to an end")


def _wait_until_quiet(stack: Stack, *, omits: bool) -> None:
    """Return when nothing waits: no delivery, no question for Partoo and no second look at its answer.

    Where the API `omits` reviews for good, questions about them stay open: then it is enough that no other is answered.
    """
    deadline = time.monotonic() + QUIET_TIMEOUT_S
    before, since = None, time.monotonic()
    while time.monotonic() < deadline:
        found = _metrics(stack)
        work = {name: found.get(name, missing) for name, missing in _OPEN_WORK.items()}
        if work != before:
            before, since = work, time.monotonic()
        at_rest = omits and not work["waiting_reviews"] and time.monotonic() - since > REST_S
        if at_rest or not any(work.values()):
            return
        _pause(0.3)
    raise StackError(f"not quiet after {QUIET_TIMEOUT_S:g} s")


def _metrics(stack: Stack) -> dict[str, float]:
    try:
        with urllib.request.urlopen(f"{stack.url}/metrics", timeout=5) as answer:  # noqa: S310 - http on loopback
            lines = answer.read().decode().splitlines()
    except (urllib.error.URLError, OSError):
        return {}
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name.removeprefix("reviewmirror_"): float(value) for name, value in pairs}


def _outcome(stack: Stack, partoo: _Partoo, summary: dict[str, Any], disruptions: int) -> Outcome:
    command = [sys.executable, "-m", "tools.simulator", "compare", "--mirror", stack.url, "--token", TOKEN]
    command += ["--truth", f"http://127.0.0.1:{partoo.api_port}", "--history", "--json"]
    said = subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout  # noqa: S603 - our own module
    (partoo.folder / "compared.json").write_bytes(said)
    found = json.loads(said)
    return Outcome(
        reviews=found["reviews"],
        wrong=len(found["differing"]),
        wrong_proven=found["certainty"]["proven"]["wrong"],
        unproven=found["certainty"]["unproven"]["reviews"],
        ambiguous=found["certainty"]["ambiguous"]["reviews"],
        differing=found["differing"],
        history_missing=found["history"]["missing"],
        history_surplus=found["history"]["surplus"],
        differing_histories=found["history"]["differing"],
        deliveries=summary["deliveries"],
        returns=summary["events"]["returned"],
        api_requests=round(_metrics(stack).get("verification_requests_total", 0)),
        disruptions=disruptions,
        lost=summary["lost"],
    )
