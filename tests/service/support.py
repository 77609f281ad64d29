"""What the tests of the HTTP side need: raw connections, checks of answers, histories with times of their own."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import ClientResponse

from mirror.domain.changes import Source
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.storage import inbox, keys
from mirror.storage.inbox_entries import decode_entry
from mirror.storage.store import Store
from tests.support import READ, WEBHOOK, Client, wait_until
from worker.deciding import Policy
from worker.drain import Drainer

# 12 September 2025, 08:00:00 UTC
START = 1_757_664_000_000


@dataclass(frozen=True)
class RawAnswer:
    """An HTTP answer as it came over the wire; `closed` tells whether the server hung up after it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    closed: bool

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


def head(length: int | None = None, path: str = WEBHOOK, method: str = "POST", **headers: str) -> bytes:
    """Write a request's head; without a length the body is chunked. Header names are given with underscores."""
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", framing]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def request(*lines: str | bytes, body: bytes, target: bytes = WEBHOOK.encode(), method: str = "POST") -> bytes:
    """Write a request from header lines as they are."""
    head = [b"%b %b HTTP/1.1" % (method.encode(), target), b"Host: localhost"]
    return b"\r\n".join([*head, *(line if isinstance(line, bytes) else line.encode() for line in lines), b"", body])


async def exchange(client: Client, *parts: bytes, patience: float = 2.0) -> RawAnswer:
    """Send bytes as they are, one part after the other, until there is an answer; fail if the end of one is missing."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    try:
        async with asyncio.timeout(patience):
            answering = asyncio.create_task(read_answer(reader))
            for part in parts:
                writer.write(part)
                await asyncio.wait({answering}, timeout=0.02)
                if answering.done():
                    break
            return await answering
    finally:
        await hang_up(writer)


async def read_answer(reader: asyncio.StreamReader) -> RawAnswer:
    """Read one answer and, where it announces that the server hangs up, wait for that too."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if line)
    body = await reader.readexactly(int(headers["Content-Length"]))
    closing = headers.get("Connection") == "close" or lines[0].startswith("HTTP/1.0")
    return RawAnswer(int(lines[0].split()[1]), headers, body, closed=closing and await _has_ended(reader))


async def _has_ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        # The server hung up while it was still being sent to.
        return True


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def error_of(answer: ClientResponse) -> tuple[int, str]:
    """Return an error's status and code."""
    return answer.status, (await answer.json())["error"]["code"]


async def check_unavailable(answer: ClientResponse) -> None:
    """Check that Partoo is told to send again."""
    assert await error_of(answer) == (503, "unavailable")
    assert re.fullmatch("[1-9][0-9]*", answer.headers["Retry-After"])


async def read(client: Client, path: str, **parameters: str | int) -> Any:
    answer = await client.get(path, headers=READ, params=parameters)
    assert answer.status == 200, await answer.text()
    return await answer.json()


async def inbox_of(store: Store, review_id: int) -> list[Entry]:
    entries = await store.redis.execute_command("LRANGE", keys.inbox(review_id), 0, -1)
    return [decode_entry(entry) for entry in entries]


async def apply(store: Store, *deliveries: tuple[int, int, bytes]) -> list[str]:
    """Accept deliveries, each a review id, a time of receipt in ms and a body, and apply them; returns their ids."""
    entries = [
        (review_id, Entry(make_delivery_id(at, number), at, Source.WEBHOOK, body))
        for number, (review_id, at, body) in enumerate(deliveries)
    ]
    await inbox.accept(store, entries)
    assert await Drainer(store, Policy()).run()
    return [entry.delivery_id for _, entry in entries]


async def list_ids(client: Client, **parameters: str | int) -> list[int]:
    """List the ids of all reviews that the parameters ask for, page by page."""
    ids: list[int] = []
    page: Any = {"next": None}
    while True:
        cursor = {} if page["next"] is None else {"cursor": page["next"]}
        page = await read(client, "/reviews", **parameters, **cursor)
        ids += ids_in(page["reviews"])
        if page["next"] is None:
            return ids


def ids_in(reviews: Sequence[Mapping[str, Any]]) -> list[int]:
    return [review["id"] for review in reviews]


async def fail(*_arguments: object) -> None:
    """Fail as only a mistake of ours does; to be put in the place of one of our functions."""
    raise LookupError("a secret of ours")


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/[0-9.]+ (\d{3}) ", answers)]


async def check_that_nothing_is_open(client: Client) -> None:
    runner: Any = client.server.runner

    async def is_empty() -> bool:
        return not runner.server.connections

    await wait_until(is_empty, patience=3)
