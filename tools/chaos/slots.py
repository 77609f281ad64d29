"""The platform: keeps web and worker processes running, starts each again when it ends, and signals them."""

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

# What a platform takes to start a process again, and how long it lets one stop.
RESTART_DELAY_S = 0.2
STOP_TIMEOUT_S = 30.0


class Slot:
    """One process that is to run; `unexpected` are the exit statuses of those that ended without being killed."""

    def __init__(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path
    ) -> None:
        self.name = name
        self.log = log
        self.starts = 0
        self.unexpected: list[int] = []
        self._arguments = arguments
        self._environment = environment
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._killed = False
        self._told = False
        self._wanted = asyncio.Event()
        self._keeper = asyncio.create_task(self._keep())

    def start(self) -> None:
        self._wanted.set()

    def kill(self) -> None:
        """End the process with SIGKILL; the platform starts another."""
        self._killed = True
        self._signal(signal.SIGKILL)

    def hold(self) -> None:
        """Kill the process, and start none until `start`."""
        self._wanted.clear()
        self.kill()

    def leave(self) -> None:
        """Tell the process to stop, and start no other until `start`."""
        self._wanted.clear()
        self.term()

    def term(self) -> None:
        """Tell the process to stop; the platform starts another, as at a release."""
        self._told = True
        self._signal(signal.SIGTERM)

    async def stop(self) -> None:
        """Stop the process in order, and start no other."""
        self.leave()
        process = self._process
        if process is not None:
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                self.unexpected.append(-signal.SIGKILL)
                self.kill()
        self._keeper.cancel()
        await asyncio.wait({self._keeper})

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _keep(self) -> None:
        while True:
            await self._wanted.wait()
            self._killed = self._told = False
            with self.log.open("ab") as stream:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *self._arguments,
                    env=dict(self._environment),
                    cwd=self._folder,
                    stdout=stream,
                    stderr=stream,
                    start_new_session=True,
                )
            self.starts += 1
            if not self._wanted.is_set():
                # Held while it was being started.
                self.kill()
            status = await self._process.wait()
            # One that is told to stop while Python still starts has no handler yet: SIGTERM itself ends it.
            if not self._killed and not (self._told and status in (0, -signal.SIGTERM, 128 + signal.SIGTERM)):
                self.unexpected.append(status)
            await asyncio.sleep(RESTART_DELAY_S)
