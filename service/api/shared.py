"""Answers that many may ask for at once: worked out at most once a second, one at a time, and shared by all who ask."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

MAX_AGE_S = 1.0

T = TypeVar("T")


class Shared(Generic[T]):
    """`work_out` makes the answer; what it raises is shared too."""

    def __init__(self, work_out: Callable[[], Awaitable[T]]) -> None:
        self._work_out = work_out
        self._task: asyncio.Future[T] | None = None
        self._due = 0.0

    async def get(self) -> T:
        """Return an answer that is no older than MAX_AGE_S. Raises whatever `work_out` raises."""
        if self._task is None or (self._task.done() and asyncio.get_running_loop().time() >= self._due):
            self._task = asyncio.ensure_future(self._make())
        return await asyncio.shield(self._task)

    async def _make(self) -> T:
        try:
            return await self._work_out()
        finally:
            self._due = asyncio.get_running_loop().time() + MAX_AGE_S
