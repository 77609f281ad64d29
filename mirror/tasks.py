"""Ending asyncio tasks."""

import asyncio
from typing import Any

_AGAIN_AFTER_S = 0.5


async def end(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel tasks and wait until they have ended, whatever they end with.

    Up to Python 3.11 `asyncio.wait_for`, by which redis-py sends, can swallow a cancellation; so it is repeated.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_AGAIN_AFTER_S)
