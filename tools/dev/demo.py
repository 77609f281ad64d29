"""`make demo`: the main job end to end. A review is edited, vanishes and is back; the mirror tells what happened."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from tools.dev.keys import public_key_line
from tools.dev.stack import Stack, StackError, free_port, running

REVIEW_ID = "34"
SECONDS_PER_DAY = "0.2"
EXPECTED = ["first_seen", "updated", "vanished", "reappeared"]
APPLIED_TIMEOUT_S = 20.0


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="reviewmirror-demo-") as folder:
        log_file = Path(folder) / "log"
        with log_file.open("wb") as log:
            try:
                return _demo(Path(folder), log)
            except (StackError, subprocess.CalledProcessError) as error:
                log.flush()
                sys.stderr.write(f"make demo: {error}\nThe log:\n{log_file.read_text()}")
                return 1


def _demo(folder: Path, log: IO[bytes]) -> int:
    _say("Starting a Redis, a web process and a worker on free ports …")
    key_file = folder / "simulator.key"
    variables = {
        "PARTOO_PUBLIC_KEYS": public_key_line(key_file),
        # A day lasts a fifth of a second here; an hour, the default, would be five days.
        "REDELIVERY_WINDOW": "100ms",
        "LOG_FORMAT": "json",
        # The receiver of the demo is on loopback.
        "OUTGOING_ALLOW_PRIVATE": "on",
    }
    with running(folder, free_port(), variables, log) as stack:
        _say(f"\nWhat Partoo sends (a day lasts {SECONDS_PER_DAY} s here):\n")
        webhook = f"{stack.url}/webhooks/partoo"
        send = ("send", "documented", "--url", webhook, "--key", str(key_file), "--day", SECONDS_PER_DAY)
        _run("tools.simulator", *send)
        found = _wait_until_applied(stack)
        _say("\nWhat the mirror says (python -m mirror trace 34):\n")
        _run("mirror", "trace", REVIEW_ID, environment=stack.environment)
        _say("\nWhat it tells others (python -m mirror endpoints add …; python -m tools.simulator receive …):\n")
        _show_outgoing(stack)
    if found != EXPECTED:
        sys.stderr.write(f"\nmake demo: expected the changes {EXPECTED}, found {found}\n")
        return 1
    _say("\nThe last delivery was byte for byte an earlier one, and still it was news: the review is live again.")
    _say("Everything is stopped. `make run` starts a stack that stays.")
    return 0


def _show_outgoing(stack: Stack) -> None:
    """Have the last event sent to a receiver that checks it. Raises CalledProcessError if it is not as it should be."""
    port = free_port()
    adding = ["endpoints", "add", f"http://127.0.0.1:{port}/", "--kind", EXPECTED[-1], "--from", "start", "--json"]
    command = [sys.executable, "-m", "mirror", *adding]
    added = subprocess.run(command, env=dict(stack.environment), stdout=subprocess.PIPE, check=True)  # noqa: S603 - our own module
    secret = json.loads(added.stdout)["secret"]
    _run("tools.simulator", "receive", "--port", str(port), "--secret", secret, "--count", "1")


def _wait_until_applied(stack: Stack) -> list[str]:
    deadline = time.monotonic() + APPLIED_TIMEOUT_S
    kinds: list[str] = []
    while len(kinds) < len(EXPECTED) and time.monotonic() < deadline:
        time.sleep(0.1)
        command = [sys.executable, "-m", "mirror", "trace", REVIEW_ID, "--json"]
        answer = subprocess.run(command, env=dict(stack.environment), stdout=subprocess.PIPE, check=False)  # noqa: S603 - our own module
        kinds = [change["kind"] for change in json.loads(answer.stdout)["changes"]]
    return kinds


def _run(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
    sys.stdout.flush()
    subprocess.run([sys.executable, "-m", module, *arguments], env=environment, check=True)  # noqa: S603 - our own module


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
