"""What is done otherwise than aiohttp does it: half-closed clients, slow heads, unread bodies, frames of errors."""

import asyncio
import gc
import weakref
from importlib.metadata import version

import pytest
from aiohttp.web_protocol import RequestHandler

from mirror.storage.store import Store
from service import protocol
from service.errors import ServiceError, forget_frames
from tests.conftest import StartService
from tests.service.support import check_that_nothing_is_open, hang_up, head, inbox_of, read_answer
from tests.support import SIGNER, Client, make_body, make_review

BODY = make_body(make_review())
DELIVERY = head(len(BODY), X_Partoo_Signature_v1=SIGNER.sign(BODY)) + BODY


def test_aiohttp_is_the_release_whose_private_parts_are_used() -> None:
    """A new release: read its web_protocol.py, run this file, and write the new number here and in service.protocol."""
    assert version("aiohttp") == "3.14.5"
    assert protocol.__doc__ is not None
    assert version("aiohttp") in protocol.__doc__
    used = {"_waiter", "_messages", "_current_request", "_close", "_force_close"}
    assert used <= set(RequestHandler.__slots__)


async def half_closed(client: Client, *parts: bytes) -> bytes:
    """Send parts, close the sending side, and return all that is answered."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        writer.write_eof()
        async with asyncio.timeout(3):
            return await reader.read(-1)
    finally:
        await hang_up(writer)


async def test_a_client_that_closes_its_side_gets_its_answer(service: Client, store: Store) -> None:
    answer = await half_closed(service, DELIVERY)
    assert answer.startswith(b"HTTP/1.1 200")
    assert [entry.body for entry in await inbox_of(store, 34)] == [BODY]
    await check_that_nothing_is_open(service)


async def test_all_that_came_before_the_client_closed_its_side_is_answered(service: Client, store: Store) -> None:
    answer = await half_closed(service, DELIVERY * 5 + head(0, "/healthz", "GET"))
    assert answer.count(b"HTTP/1.1 200") == 6
    assert len(await inbox_of(store, 34)) == 5
    await check_that_nothing_is_open(service)


async def test_a_body_that_was_broken_off_is_answered_as_such(service: Client, store: Store) -> None:
    answer = await half_closed(service, DELIVERY[:-1])
    assert answer.startswith(b"HTTP/1.1 400")
    assert b'"code":"bad_body"' in answer
    assert await inbox_of(store, 34) == []


@pytest.mark.parametrize("start", [b"", b"POST /webhooks/partoo HT", DELIVERY[:60]])
async def test_a_client_that_closes_its_side_before_its_request_is_hung_up_on(service: Client, start: bytes) -> None:
    assert await half_closed(service, start) == b""
    await check_that_nothing_is_open(service)


async def test_a_head_must_be_complete_within_its_time(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT_S", 0.2)
    service = await start_service()
    reader, writer = await asyncio.open_connection(service.host, service.port)
    try:
        # An idle connection is none of the slow ones, before the first request and after it.
        await asyncio.sleep(0.3)
        for _ in range(2):
            writer.write(DELIVERY)
            assert (await read_answer(reader)).status == 200
            await asyncio.sleep(0.3)
        writer.write(DELIVERY[:30])
        async with asyncio.timeout(2):
            assert await reader.read(-1) == b""
    finally:
        await hang_up(writer)


async def test_who_is_refused_while_it_still_sends_reads_the_answer(service: Client) -> None:
    reader, writer = await asyncio.open_connection(service.host, service.port)
    try:
        writer.write(head(3_000_000, "/webhooks/partoo", "POST") + bytes(1_000_000))
        answer = await read_answer_head(reader)
        writer.write(bytes(2_000_000))
        assert answer == b"HTTP/1.1 413 Request Entity Too Large"
        await writer.drain()
    finally:
        await hang_up(writer)
    await check_that_nothing_is_open(service)


async def read_answer_head(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(3):
        return (await reader.readline()).strip()


class _Body:
    """Something whose end can be noticed."""


def test_an_answered_error_holds_on_to_nothing_that_it_came_through() -> None:
    def fail(held: _Body) -> None:
        raise ServiceError(400, "bad_body", str(held))

    def refuse(held: _Body) -> None:
        try:
            fail(held)
        except ServiceError:
            raise ServiceError(401, "signature_wrong", "no") from None

    body = _Body()
    ended = weakref.ref(body)
    gc.disable()
    try:
        try:
            refuse(body)
        except ServiceError as error:
            kept = error
            forget_frames(error)
        del body
        assert ended() is None
        assert kept.__context__ is None
    finally:
        gc.enable()
