import base64
import time

from aiohttp import ClientSession
from nacl.signing import VerifyKey
from pytest_aiohttp import AiohttpServer

from tests.tools.simulator.receiver import Receiver
from tools.simulator.keys import Signer
from tools.simulator.library import load_scenario
from tools.simulator.playing import Target, due_times, play
from tools.simulator.scenario import Step
from tools.simulator.sending import Attempt, Delivery, RetryPolicy


async def play_to(receiver: Receiver, name: str, signer: Signer, day: float = 0.0) -> list[tuple[Step, Delivery]]:
    def ignore(_step: Step, _attempt: Attempt, _delay: float) -> None: ...

    target = Target(receiver.url, signer, RetryPolicy(base=0.001))
    async with ClientSession() as session:
        return [played async for played in play(session, load_scenario(name), target, day, ignore)]


async def test_the_documented_life_arrives_in_order_with_signatures_that_verify(aiohttp_server: AiohttpServer) -> None:
    receiver, signer = await Receiver().start(aiohttp_server), Signer.new()
    await play_to(receiver, "documented", signer)
    key = VerifyKey(base64.b64decode(signer.public_key)[-32:])
    for received, step in zip(receiver.received, load_scenario("documented").steps, strict=True):
        assert step.body == received.body
        assert received.headers["Content-Type"] == "application/json"
        key.verify(received.body, base64.b64decode(received.headers["X-Partoo-Signature-v1"], validate=True))


async def test_the_reappearance_is_on_the_wire_byte_for_byte_the_edit(aiohttp_server: AiohttpServer) -> None:
    receiver = await Receiver().start(aiohttp_server)
    await play_to(receiver, "documented", Signer.new())
    _created, edited, vanished, back = receiver.received
    assert edited == back
    assert edited != vanished


async def test_a_step_of_its_own_headers_sends_them(aiohttp_server: AiohttpServer) -> None:
    receiver = await Receiver().start(aiohttp_server)
    await play_to(receiver, "other-events", Signer.new())
    assert ["X-Partoo-Webhook-Tryout" in received.headers for received in receiver.received] == [False, False, True]


async def test_a_lost_event_does_not_stop_the_ones_after_it(aiohttp_server: AiohttpServer) -> None:
    receiver = await Receiver((401, 200)).start(aiohttp_server)
    played = await play_to(receiver, "documented", Signer.new())
    assert [delivery.acknowledged for _, delivery in played] == [False, True, True, True]


def test_the_days_of_a_scenario_are_compressed() -> None:
    due = due_times(load_scenario("documented"), day=2.0)
    assert due[0] == 0.0
    assert [round(seconds / 2.0) for seconds in due] == [0, 15, 21, 26]
    assert due_times(load_scenario("documented"), day=0.0) == [0.0] * 4


async def test_a_step_leaves_no_earlier_than_its_day(aiohttp_server: AiohttpServer) -> None:
    receiver = await Receiver().start(aiohttp_server)
    async with ClientSession() as session:
        target = Target(receiver.url, Signer.new(), RetryPolicy())
        scenario = load_scenario("documented")
        due = due_times(scenario, day=0.005)
        started = time.perf_counter()
        async for step, _ in play(session, scenario, target, 0.005, lambda *_: None):
            assert time.perf_counter() - started >= due[scenario.steps.index(step)]
