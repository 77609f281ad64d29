"""The part of `forget` that has Redis write its files anew, without what was erased, and waits for it."""

import asyncio
import time

from mirror.cli.progress import Progress, progress
from mirror.storage import erased_files
from mirror.storage.erased_files import File
from mirror.storage.errors import CommandRefusedError
from mirror.storage.store import Store

# How long the server is given for each file.
PATIENCE_S = 120.0
_POLL_S = 0.1
# After this time one line says what is waited for, where there is no terminal for a bar.
_SAY_AFTER_S = 2.0


async def write_anew(store: Store, file: File) -> tuple[bool, str]:
    """Have the server write a file anew, and wait; returns whether it is clean, and a sentence."""
    with progress(f"waiting for Redis to write its {file.label}") as shown:
        waiting = _Waiting(shown, file)
        try:
            await _begin(store, file, waiting)
        except CommandRefusedError as error:
            return False, (
                f"The {file.label} could not be rewritten ({error}): have the server run {file.command}. What was "
                "erased stays in it until then; doctor tells as long."
            )
        except TimeoutError:
            return False, f"The {file.label} still holds what was erased: the server is busy. Run this again later."
        return await _end(store, file, waiting)


async def _begin(store: Store, file: File, waiting: "_Waiting") -> None:
    """Start the writing; one that was under way already began before the erasure, so it is waited for."""
    while True:
        try:
            await store.redis.execute_command(file.command)
        except CommandRefusedError as error:
            if "in progress" not in str(error) and "right now" not in str(error):
                raise
            await waiting.step()
        else:
            return


async def _end(store: Store, file: File, waiting: "_Waiting") -> tuple[bool, str]:
    while True:
        state = erased_files.writing(file, await store.redis.info("persistence"))
        if not state.busy:
            break
        try:
            await waiting.step()
        except TimeoutError:
            return False, f"The {file.label} is still being rewritten: doctor says when it is clean."
    if not state.succeeded:
        return False, (
            f"The {file.label} still holds what was erased, as writing it anew failed: the server's log says why. Mend "
            "that, then run this again."
        )
    await erased_files.cleaned(store, file)
    return True, f"The {file.label} was rewritten without what was erased."


class _Waiting:
    """Waits step by step, shows it, and raises TimeoutError when it has been too long."""

    def __init__(self, shown: Progress, file: File) -> None:
        self._shown = shown
        self._file = file
        self._start = time.monotonic()
        self._said = False

    async def step(self) -> None:
        waited = time.monotonic() - self._start
        if waited > PATIENCE_S:
            raise TimeoutError
        self._shown.show(round(waited * 1000), round(PATIENCE_S * 1000))
        if waited > _SAY_AFTER_S and not self._said:
            self._said = True
            self._shown.say(
                f"reviewmirror: waiting for Redis to write its {self._file.label}, up to {PATIENCE_S:.0f} s"
            )
        await asyncio.sleep(_POLL_S)
