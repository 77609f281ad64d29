import asyncio

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import unused_port
from pytest_aiohttp import AiohttpServer
from yarl import URL

from tests.tools.simulator.receiver import HANG, Receiver, signed
from tools.simulator.sending import Attempt, Delivery, RetryPolicy, deliver

QUICK = RetryPolicy(base=0.001)


async def send(url: URL, policy: RetryPolicy = QUICK) -> Delivery:
    async with ClientSession() as session:
        return await deliver(session, url, signed(), policy)


async def statuses(aiohttp_server: AiohttpServer, *answers: int) -> tuple[Delivery, list[int | None]]:
    receiver = await Receiver(answers).start(aiohttp_server)
    delivery = await send(receiver.url)
    assert len(receiver.received) == len(delivery.attempts)
    return delivery, [attempt.status for attempt in delivery.attempts]


async def test_200_acknowledges(aiohttp_server: AiohttpServer) -> None:
    delivery, seen = await statuses(aiohttp_server, 200)
    assert delivery.acknowledged
    assert seen == [200]
    assert delivery.answer == {"status": "accepted", "delivery_id": "d-1"}
    assert 0 < delivery.attempts[0].seconds < 5


async def test_an_event_answered_503_twice_and_then_200_is_acknowledged_after_three_attempts(
    aiohttp_server: AiohttpServer,
) -> None:
    delivery, seen = await statuses(aiohttp_server, 503, 503, 200)
    assert delivery.acknowledged
    assert seen == [503, 503, 200]
    assert delivery.answer["delivery_id"] == "d-3"


async def test_a_redelivery_carries_the_same_bytes_and_the_same_headers(aiohttp_server: AiohttpServer) -> None:
    receiver = await Receiver((503, 200)).start(aiohttp_server)
    await send(receiver.url)
    first, second = receiver.received
    assert first == second


async def test_an_event_answered_5xx_six_times_is_lost(aiohttp_server: AiohttpServer) -> None:
    delivery, seen = await statuses(aiohttp_server, 500, 502, 503, 504, 599, 503)
    assert not delivery.acknowledged
    assert seen == [500, 502, 503, 504, 599, 503]


@pytest.mark.parametrize("status", [201, 204, 307, 400, 401, 404, 408, 413, 415, 429])
async def test_any_other_answer_loses_the_event_at_once(aiohttp_server: AiohttpServer, status: int) -> None:
    delivery, seen = await statuses(aiohttp_server, status)
    assert not delivery.acknowledged
    assert [status] == seen


async def test_a_receiver_that_hangs_counts_as_one_that_failed(aiohttp_server: AiohttpServer) -> None:
    receiver = await Receiver((HANG, 200)).start(aiohttp_server)
    delivery = await send(receiver.url, RetryPolicy(base=0.001, timeout=0.05))
    assert delivery.acknowledged
    assert [(a.status, a.error) for a in delivery.attempts] == [(None, "no answer within 0.05 s"), (200, None)]


async def test_nobody_at_the_address_counts_as_a_failure_and_is_tried_six_times() -> None:
    delivery = await send(URL(f"http://127.0.0.1:{unused_port()}/"))
    assert not delivery.acknowledged
    assert len(delivery.attempts) == 6
    assert {(a.status, a.error) for a in delivery.attempts} == {(None, "no connection (Connection refused)")}


async def test_a_receiver_that_hangs_up_counts_as_one_that_failed() -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        delivery = await send(URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
    assert not delivery.acknowledged
    assert len(delivery.attempts) == 6
    assert all(attempt.status is None and attempt.error for attempt in delivery.attempts)


@pytest.mark.parametrize("answer", [b"", b"OK", b"\xff", b"[" * 200_000])
async def test_an_answer_that_is_no_json_acknowledges_all_the_same(
    aiohttp_server: AiohttpServer, answer: bytes
) -> None:
    receiver = await Receiver(answer=answer).start(aiohttp_server)
    delivery = await send(receiver.url)
    assert delivery.acknowledged
    assert delivery.answer is None


def test_the_waits_double_and_end_after_five_redeliveries() -> None:
    policy = RetryPolicy(base=1.5)
    assert [policy.delay(attempt) for attempt in range(1, 7)] == [1.5, 3.0, 6.0, 12.0, 24.0, None]


async def test_each_redelivery_is_announced_with_its_wait(aiohttp_server: AiohttpServer) -> None:
    receiver = await Receiver((503, 500, 200)).start(aiohttp_server)
    announced: list[tuple[int | None, float]] = []

    def on_redelivery(attempt: Attempt, delay: float) -> None:
        announced.append((attempt.status, delay))

    async with ClientSession() as session:
        await deliver(session, receiver.url, signed(), QUICK, on_redelivery)
    assert announced == [(503, 0.001), (500, 0.002)]
