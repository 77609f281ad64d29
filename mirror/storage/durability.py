"""Acknowledged means replicated, and on the disk, where that is asked for: what a 200 rests on waits for both.

WAIT and WAITAOF wait for the last write of their connection, so they follow the write on the same one, once for the
whole batch. Scripts that are run like this must write something even when they are repeated: else there is nothing to
wait for, and the first attempt may not have got anywhere.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from redis.exceptions import NoScriptError

from mirror.storage.errors import StorageUnavailableError

# Each of the two waits no longer than this, which is less than a command may take (`connection.COMMAND_TIMEOUT_S`).
WAIT_MS = 1_500


class NotDurableError(StorageUnavailableError):
    """A write was done, and did not get to the replicas or the disk in time; the message says which."""


class Durability(msgspec.Struct, frozen=True):
    """`replicas`: how many must have a write before it is acknowledged; `disk`: whether the server's own disk must."""

    replicas: int = 0
    disk: bool = False

    @property
    def commands(self) -> list[tuple[str | int, ...]]:
        """The commands that wait."""
        waits: list[tuple[str | int, ...]] = []
        if self.replicas:
            waits.append(("WAIT", self.replicas, WAIT_MS))
        if self.disk:
            waits.append(("WAITAOF", 1, 0, WAIT_MS))
        return waits

    def check(self, answers: Sequence[Any]) -> None:
        """Look at what the commands answered. Raises NotDurableError, or the error that one of them gave."""
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        left = list(answers)
        if self.replicas and (reached := left.pop(0)) < self.replicas:
            raise NotDurableError(
                f"only {reached} of {self.replicas} replicas (REDIS_WAIT_REPLICAS) had the write within {WAIT_MS} ms"
            )
        if self.disk and left.pop(0)[0] < 1:
            raise NotDurableError(f"the write was not on Redis's disk (REDIS_WAIT_DISK) within {WAIT_MS} ms")


NOT_WAITING = Durability()


async def run(redis: Any, script: Any, durability: Durability, key_names: Sequence[str], args: Sequence[Any]) -> Any:
    """Run a script and wait until what it wrote is durable; gives what the script returns.

    Raises NotDurableError; then the write was done.
    """
    if durability == NOT_WAITING:
        return await script(keys=key_names, args=args)
    answers = await _run(redis, script, durability, key_names, args)
    if isinstance(answers[0], NoScriptError):
        await redis.script_load(script.script)
        answers = await _run(redis, script, durability, key_names, args)
    written, *waited = answers
    if isinstance(written, Exception):
        raise written
    durability.check(waited)
    return written


async def _run(
    redis: Any, script: Any, durability: Durability, key_names: Sequence[str], args: Sequence[Any]
) -> list[Any]:
    # No transaction: in one, WAIT does not wait.
    async with redis.pipeline(transaction=False) as pipe:
        pipe.evalsha(script.sha, len(key_names), *key_names, *args)
        for command in durability.commands:
            pipe.execute_command(*command)
        found: list[Any] = await pipe.execute(raise_on_error=False)
    return found
