"""The link does to what passes what a bad network does."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from tools.chaos.link import DOWN, UP, Link

MESSAGE = b"0123456789"


class Echo:
    """A server that answers with what it got, and remembers it."""

    def __init__(self) -> None:
        self.got = b""
        self.ended = asyncio.Event()

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def close(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1000):
                self.got += data
                writer.write(data)
        writer.close()
        self.ended.set()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
async def link(echo: Echo) -> AsyncIterator[Link]:
    link = Link(await echo.start())
    await link.start()
    yield link
    await link.close()


async def ask(link: Link) -> bytes:
    """Send the message, and return what comes back, up to its whole length or the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    writer.write(MESSAGE)
    answer = b""
    with suppress(OSError):
        while len(answer) < len(MESSAGE) and (data := await asyncio.wait_for(reader.read(1000), 2)):
            answer += data
    writer.close()
    return answer


async def cut_half_way(link: Link, direction: str) -> bytes:
    asking = asyncio.create_task(ask(link))
    link.delay = 0.1
    await asyncio.sleep(0.05)
    link.cut_half_way(direction)
    return await asking


async def test_it_passes_on_what_comes(link: Link, echo: Echo) -> None:
    assert await ask(link) == MESSAGE
    assert echo.got == MESSAGE


async def test_a_cut_half_way_up_lets_half_a_command_arrive_and_no_answer(link: Link, echo: Echo) -> None:
    assert MESSAGE.startswith(await cut_half_way(link, UP))
    await asyncio.wait_for(echo.ended.wait(), 2)
    assert echo.got == MESSAGE[:5]


async def test_a_cut_half_way_down_lets_the_command_arrive_and_half_the_answer(link: Link, echo: Echo) -> None:
    assert await cut_half_way(link, DOWN) == MESSAGE[:5]
    assert echo.got == MESSAGE


async def test_muted_it_swallows_and_a_cut_ends_what_waits(link: Link, echo: Echo) -> None:
    link.mute = True
    asking = asyncio.create_task(ask(link))
    await asyncio.sleep(0.1)
    assert not asking.done()
    link.cut()
    assert await asking == b""
    assert echo.got == b""


async def test_what_was_sent_before_its_sender_gave_up_arrives_late(link: Link, echo: Echo) -> None:
    link.delay = 0.2
    _, writer = await asyncio.open_connection("127.0.0.1", link.port)
    writer.write(MESSAGE)
    await writer.drain()
    writer.close()
    sent = time.monotonic()
    await asyncio.wait_for(echo.ended.wait(), 2)
    assert echo.got == MESSAGE
    assert time.monotonic() - sent > 0.15


async def test_where_nobody_listens_it_hangs_up() -> None:
    link = Link(1)
    await link.start()
    assert await ask(link) == b""
    await link.close()
