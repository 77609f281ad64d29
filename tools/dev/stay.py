"""`make run`: web, worker and Redis on port 8080, staying until Ctrl-C; the data is kept in data/."""

import os
import secrets
import signal
import sys
import threading
from pathlib import Path

from mirror.settings import load
from mirror.stopping import stop_signals
from tools.dev.keys import public_key_line
from tools.dev.stack import Stack, StackError, free_port, is_taken, running

DATA = Path("data")
WATCH_INTERVAL_S = 0.5


def main() -> int:
    port = load(os.environ).port or free_port()
    if is_taken(port):
        sys.stderr.write(f"make run: port {port} is in use; choose another: make run PORT=8081\n")
        return 1
    stop = threading.Event()
    for number in stop_signals():
        signal.signal(number, lambda *_: stop.set())
    # The token, the key and what Redis writes are for their owner alone, also where an earlier release made the folder.
    os.umask(0o077)
    DATA.mkdir(exist_ok=True)
    DATA.chmod(0o700)
    key_file = DATA / "simulator.key"
    token = _token(DATA / "api-token")
    variables = {"PARTOO_PUBLIC_KEYS": public_key_line(key_file), "API_TOKEN": token}
    try:
        with running(DATA, port, variables) as stack:
            _say_hello(stack, key_file, token)
            return _stay(stack, stop)
    except StackError as error:
        sys.stderr.write(f"make run: {error}\n")
        return 1


def _token(file: Path) -> str:
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(16))
    return file.read_text().strip()


def _say_hello(stack: Stack, key_file: Path, token: str) -> None:
    sys.stdout.write(
        f"""
reviewmirror runs. Ctrl-C stops it; the data stays in {DATA}/.

  webhook   {stack.url}/webhooks/partoo
  token     {token}

Send it what Partoo would send, and look:

  {sys.executable} -m tools.simulator send documented --url {stack.url}/webhooks/partoo --key {key_file}
  curl -H 'Authorization: Bearer {token}' {stack.url}/reviews/34

"""
    )
    sys.stdout.flush()


def _stay(stack: Stack, stop: threading.Event) -> int:
    while not stop.wait(WATCH_INTERVAL_S):
        if ended := stack.ended():
            raise StackError(f"{ended} ended by itself; its last log lines say why")
    sys.stdout.write("\nStopping …\n")
    return 0
