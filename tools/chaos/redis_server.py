"""The Redis of a run: a real redis-server that is killed, hung and filled, and the append-only file it leaves."""

import asyncio
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import redis.asyncio as redis
from redis.exceptions import RedisError

from mirror.storage.embedded import find_server
from tools.dev.stack import free_port

START_TIMEOUT_S = 120.0


class RedisServer:
    """`port` is its own; `client` goes there directly, past the link."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self.client = redis.Redis(port=self.port, socket_timeout=30)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it on what it left, and wait until it has read that. Raises RuntimeError if it does not come up."""
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self._folder),
            "save": "",
            "appendonly": "yes",
            # What is acknowledged must be on disk, or a run could not tell a bug from the window of `everysec`.
            "appendfsync": "always",
            # The file is read at the end: it holds, in order, all that this Redis ever accepted.
            "auto-aof-rewrite-percentage": "0",
            "maxmemory-policy": "noeviction",
            "logfile": str(self._folder / "redis.log"),
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._process = await asyncio.create_subprocess_exec(find_server(), *arguments, start_new_session=True)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not await self._answers():
            if self._process.returncode is not None or time.monotonic() > deadline:
                raise RuntimeError(f"redis-server does not start; its log is {self._folder / 'redis.log'}")
            await asyncio.sleep(0.05)

    async def _answers(self) -> bool:
        try:
            await self.client.ping()
        except (RedisError, OSError):
            # The port is there before the data are read.
            return False
        return True

    def hang(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def bound_files(self, room: int) -> None:
        """Let no file of it grow by more than about `room` bytes, as on a disk that is full."""
        if self._process is not None:
            largest = max((path.stat().st_size for path in self._folder.rglob("*.aof")), default=0)
            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (largest + room, resource.RLIM_INFINITY))

    async def rewrite(self) -> None:
        """Have it rewrite its append-only file; what that file told so far is kept for the account.

        Redis 6 keeps all in one file, which then would tell nothing any more: there it is left as it is.
        """
        folder = self._folder / "kept"
        folder.mkdir(exist_ok=True)
        files = list(self._folder.glob("appendonlydir/*.incr.aof"))
        for path in files:
            with suppress(FileExistsError):
                (folder / path.name).hardlink_to(path)  # what is still appended to it is kept as well
        if files:
            with suppress(RedisError, OSError):
                await self.client.bgrewriteaof()

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def close(self) -> None:
        await self.client.aclose()
        await self.kill()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def log_of_writes(self) -> Iterator[list[bytes]]:
        """Give all commands that it executed and kept, in order (it must be stopped, or quiet)."""
        # One file up to Redis 6, a folder of them from 7 on.
        found = [*self._folder.glob("kept/*.incr.aof"), *self._folder.glob("appendonlydir/*.incr.aof")]
        files = {int(path.name.split(".")[-3]): path for path in found}
        for path in [files[number] for number in sorted(files)] or [self._folder / "appendonly.aof"]:
            yield from _commands(path)


def _commands(path: Path) -> Iterator[list[bytes]]:
    with path.open("rb") as stream:
        while line := stream.readline():
            if line.startswith(b"*"):
                yield [stream.read(int(stream.readline()[1:]) + 2)[:-2] for _ in range(int(line[1:]))]
