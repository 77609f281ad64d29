"""A plan played over HTTP, to a receiver that keeps what it gets."""

import asyncio
import io
import json
import time
from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession, web
from pytest_aiohttp import AiohttpServer

from tests.support import SIGNER
from tests.tools.simulator.receiver import Receiver
from tools.simulator.api import ApiOptions
from tools.simulator.clock import SimulatedClock
from tools.simulator.errors import UsageError
from tools.simulator.planning import PRESETS, Part, PlannedDelivery, Wire, plan
from tools.simulator.playing import Target
from tools.simulator.population import Population, life
from tools.simulator.running import Run, Setup
from tools.simulator.sending import RetryPolicy
from tools.simulator.serving import Player
from tools.simulator.tally import Tally
from tools.simulator.wire import TRYOUT_HEADER

POPULATION = Population(reviews=12, businesses=2, days=20, changes_per_day=0.3)


def reviews(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(received.body)["payload"]["review"] for received in receiver.received]


async def play(receiver: Receiver, wire: Wire, *, speed: float = 0.0, seed: int = 1) -> Tally:
    policy = RetryPolicy(base=0.001, timeout=5)
    population = replace(POPULATION, unknown_fields=wire.unknown_fields)
    setup = Setup(seed, population, wire, speed, Target(receiver.url, SIGNER, policy), None, ApiOptions())
    async with Run(setup, io.StringIO(), bar=False) as run:
        assert await run.play(asyncio.Event())
    return run.tally


async def test_a_faulty_wire_sends_what_its_plan_says_byte_for_byte(aiohttp_server: AiohttpServer) -> None:
    receiver = await Receiver().start(aiohttp_server)
    tally = await play(receiver, PRESETS["bad-day"], seed=5)
    planned = plan(life(5, POPULATION), PRESETS["bad-day"], 5)
    assert [received.body for received in receiver.received] == [delivery.body for delivery in planned]
    assert tally.parts == Counter(delivery.part for delivery in planned)
    assert tally.parts[Part.DUPLICATE] > 0
    assert tally.parts[Part.LATE] > 0
    assert any(delivery.hangs_up for delivery in planned)


async def test_the_hostile_wire_sends_side_by_side_with_try_outs_and_other_events(
    aiohttp_server: AiohttpServer,
) -> None:
    receiver = await Receiver().start(aiohttp_server)
    wire = replace(PRESETS["hostile"], tryouts=0.2)
    await play(receiver, wire)
    planned = plan(life(1, replace(POPULATION, unknown_fields=0.2)), wire, 1)
    assert Counter(received.body for received in receiver.received) == Counter(delivery.body for delivery in planned)
    tryouts = [received for received in receiver.received if TRYOUT_HEADER in received.headers]
    assert len(tryouts) == sum(bool(delivery.headers) for delivery in planned) > 0
    assert any(b'"sentiment"' in received.body for received in receiver.received)


async def test_a_sender_hangs_up_before_there_is_an_answer_and_sends_the_same_again(
    aiohttp_server: AiohttpServer,
) -> None:
    bodies, again = [], asyncio.Event()

    async def answer_the_first_when_there_is_a_second(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        if len(bodies) > 1:
            again.set()
        await again.wait()
        return web.Response()

    app = web.Application()
    app.router.add_post("/", answer_the_first_when_there_is_a_second)
    url = (await aiohttp_server(app)).make_url("/")
    event, tally, started = next(iter(life(1, POPULATION))), Tally(), time.monotonic()
    first = PlannedDelivery(0.0, Part.UNACKNOWLEDGED, event, b"{}", hangs_up=True)
    async with ClientSession() as session:
        target = Target(url, SIGNER, RetryPolicy(timeout=20))
        player = Player(session, target, Wire(), SimulatedClock(0.0, 1.0), tally)
        await player.play([first, replace(first, part=Part.DUPLICATE, hangs_up=False)], lambda _at: None)
    assert time.monotonic() - started < 10
    assert bodies == [b"{}", b"{}"]
    assert (tally.attempts, tally.acknowledged) == (2, 1)


async def test_what_no_delivery_should_raise_is_raised_and_not_swallowed(aiohttp_server: AiohttpServer) -> None:
    receiver = await Receiver().start(aiohttp_server)
    event = next(iter(life(1, POPULATION)))
    async with ClientSession() as session:
        player = Player(session, Target(receiver.url, SIGNER, RetryPolicy()), Wire(), SimulatedClock(0.0, 1.0), Tally())
        with pytest.raises(ValueError, match="header"):
            await player.play([PlannedDelivery(0.0, Part.ON_TIME, event, b"{}", {"X-A": "a\nb"})], lambda _at: None)


async def test_an_acknowledgement_that_is_ignored_was_given(aiohttp_server: AiohttpServer) -> None:
    receiver = await Receiver().start(aiohttp_server)
    tally = await play(receiver, Wire(duplicates=0.2, lost=0.8))
    assert tally.parts[Part.UNACKNOWLEDGED] == tally.acknowledged == len(receiver.received) / 2
    assert set(Counter(received.body for received in receiver.received).values()) >= {2}


async def test_events_of_one_review_wait_for_one_another_however_many_are_under_way(
    aiohttp_server: AiohttpServer,
) -> None:
    receiver = await Receiver((503, 200, 503, 503, 200)).start(aiohttp_server)
    await play(receiver, Wire(concurrency=8))
    seen: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for review in reviews(receiver):
        if review not in seen[review["id"]][-1:]:
            seen[review["id"]].append(review)
    happened = defaultdict(list)
    for event in life(1, POPULATION):
        happened[event.review_id].append(event.payload)
    assert seen == happened


async def test_time_passes_as_fast_as_asked_for(aiohttp_server: AiohttpServer) -> None:
    receiver = await Receiver().start(aiohttp_server)
    started = time.monotonic()
    await play(receiver, Wire(), speed=POPULATION.days * 86_400 / 0.3)
    last = list(life(1, POPULATION))[-1].at / (POPULATION.days * 86_400)
    assert 0.3 * last < time.monotonic() - started < 5


async def test_a_port_that_is_taken_is_one_clear_line(aiohttp_server: AiohttpServer) -> None:
    port = (await Receiver().start(aiohttp_server)).url.port
    setup = Setup(1, POPULATION, Wire(), 0.0, None, port, ApiOptions())
    with pytest.raises(UsageError, match=f"--api-port {port}: cannot listen there .* Choose another port"):
        async with Run(setup, io.StringIO(), bar=False):
            pytest.fail("it started")
