"""One run of `serve`: the population, its plan, the player that sends it and the API beside it, from start to end."""

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TextIO

from aiohttp import ClientSession, TCPConnector, web

from tools.simulator.api import ApiOptions, SimulatedReviews, make_api
from tools.simulator.api.truth_view import truth_view
from tools.simulator.clock import SimulatedClock
from tools.simulator.errors import UsageError
from tools.simulator.planning import Wire, plan
from tools.simulator.playing import Target
from tools.simulator.population import Population, Truth, TruthEvent, life
from tools.simulator.population.events import DAY, moment
from tools.simulator.progress import Progress
from tools.simulator.serving import Player
from tools.simulator.tally import Tally

_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Setup:
    """What to run. Without a target nothing is sent, without a port there is no API."""

    seed: int
    population: Population
    wire: Wire
    speed: float
    target: Target | None
    api_port: int | None
    api: ApiOptions


class Run:
    """A context: entering it starts the API, leaving it breaks off what is under way and stops everything."""

    def __init__(self, setup: Setup, stream: TextIO, *, bar: bool) -> None:
        events = list(life(setup.seed, setup.population))
        self.tally = Tally()
        self.api_url: str | None = None
        self._setup = setup
        self._planned = plan(events, setup.wire, setup.seed) if setup.target is not None else []
        arriving = {_key(delivery.event) for delivery in self._planned if delivery.is_news}
        self._never_sent = {_key(event) for event in events} - arriving if setup.wire.lost else set()
        self._clock = SimulatedClock(setup.speed, setup.population.days * DAY)
        self.reviews = SimulatedReviews(Truth(events), self._clock, setup.population, self._announce)
        self._progress = Progress(stream, len(self._planned), bar=bar)
        self._stack = AsyncExitStack()
        self._player: Player | None = None

    async def __aenter__(self) -> Self:
        """Raise UsageError where the port cannot be had."""
        async with AsyncExitStack() as stack:
            if self._setup.target is not None:
                connector = TCPConnector(limit=self._setup.wire.concurrency)
                session = await stack.enter_async_context(ClientSession(connector=connector))
                self._player = Player(session, self._setup.target, self._setup.wire, self._clock, self.tally)
                stack.push_async_callback(self._player.stop)
            if self._setup.api_port is not None:
                self.api_url = await self._start_api(stack, self._setup.api_port)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.end()
        await self._stack.aclose()

    async def play(self, stop: asyncio.Event) -> bool:
        """Send the whole plan, or until told to stop; tell whether it was the whole."""
        self._clock.start()
        stopping = asyncio.create_task(stop.wait())
        playing = asyncio.create_task(self._play())
        await asyncio.wait((playing, stopping), return_when=asyncio.FIRST_COMPLETED)
        complete = playing.done()
        for task in (playing, stopping):
            task.cancel()
        await asyncio.wait((playing, stopping))
        self._progress.end()
        if complete:
            playing.result()
        return complete

    def truth(self) -> dict[str, Any]:
        return truth_view(self.reviews, history=True)

    def count_never_sent(self, events: Iterable[TruthEvent]) -> int:
        """Count those events that the plan loses on the wire."""
        return sum(_key(event) in self._never_sent for event in events)

    async def _play(self) -> None:
        if self._player is not None:
            await self._player.play(self._planned, self._show)
            self._show(self._setup.population.days * DAY)
        elif self._setup.speed:
            return
        self._clock.finish()

    def _announce(self, event: TruthEvent) -> None:
        if self._player is not None:
            (delivery,) = plan([event], Wire(), self._setup.seed)
            self._player.announce(delivery)

    def _show(self, at: float) -> None:
        self._progress.show(self.tally.deliveries, f"{moment(at):%Y-%m-%d %H:%M}")

    async def _start_api(self, stack: AsyncExitStack, port: int) -> str:
        runner = web.AppRunner(make_api(self.reviews, self._setup.api), access_log=None, shutdown_timeout=1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        try:
            await web.TCPSite(runner, _HOST, port).start()
        except OSError as error:
            problem = f"--api-port {port}: cannot listen there ({error.strerror})"
            raise UsageError(f"{problem}. Choose another port, or 0 for a free one") from None
        return f"http://{_HOST}:{runner.addresses[0][1]}"


def _key(event: TruthEvent) -> tuple[int, float]:
    return event.review_id, event.at
