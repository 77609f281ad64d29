"""Requests under way, so that stopping can wait for them.

aiohttp, once it is told to shut down, reads no more of a body that is still arriving: the request would end in a 408,
and what Partoo is answered with a 4xx it never sends again. So the service stops listening first, lets requests finish,
and only then shuts down.
"""

import asyncio

from aiohttp import web


class InFlight:
    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()
        self.stopping = False

    def enter(self) -> None:
        self._count += 1

    def leave(self) -> None:
        self._count -= 1
        if self.stopping and not self._count:
            self._none.set()

    async def finish(self, patience: float) -> None:
        """Wait at most `patience` seconds until no request is under way; from now on answers close their connection."""
        self.stopping = True
        if not self._count:
            return
        try:
            await asyncio.wait_for(self._none.wait(), patience)
        except TimeoutError:
            return


IN_FLIGHT = web.AppKey("in_flight", InFlight)
