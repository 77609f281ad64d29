"""The feed as server-sent events: whole, in order, resumable, and no burden to whoever writes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientResponse

from mirror.storage import forgetting, keys
from mirror.storage.connection import connect
from mirror.storage.store import Store
from service.api import feed_ring, feed_stream
from service.app_keys import FEED_RING, FEED_TAIL
from tests.conftest import StartService
from tests.service.conftest import OwnRedis
from tests.service.support import START, apply, error_of, read
from tests.support import READ, Client, make_body, make_deletion, make_review, make_settings, wait_until
from worker.deciding import Policy
from worker.drain import Drainer

DAY = 86_400_000


class Stream:
    """Reads events as a browser does: `comments` counts the lines that begin with a colon."""

    def __init__(self, answer: ClientResponse) -> None:
        self.answer = answer
        self.last_id = ""
        self.comments = 0

    async def next(self) -> tuple[str, Any]:
        """Return the next event's type and data; EOFError at the end of the stream."""
        kind, data = "message", ""
        async with asyncio.timeout(5):
            async for line in self.answer.content:
                name, _, value = line.decode().rstrip("\r\n").partition(": ")
                if line.startswith(b":"):
                    self.comments += 1
                elif name == "id":
                    self.last_id = value
                elif name == "event":
                    kind = value
                elif name == "data":
                    data += value
                elif data:
                    return kind, json.loads(data)
        raise EOFError

    async def ids(self, count: int) -> list[str]:
        return [(await self.next())[1]["id"] for _ in range(count)]


@asynccontextmanager
async def streaming(client: Client, last_id: str | None = None, **parameters: str) -> AsyncIterator[Stream]:
    headers = READ if last_id is None else READ | {"Last-Event-ID": last_id}
    async with client.get("/feed/stream", headers=headers, params=parameters) as answer:
        assert answer.status == 200, await answer.text()
        yield Stream(answer)


async def write(store: Store, *review_ids: int, **fields: Any) -> None:
    for one in review_ids:
        await apply(store, (one, START, make_body(make_review(one, **fields))))


async def test_a_stream_begins_with_what_is_kept_and_goes_on_with_what_happens(service: Client, store: Store) -> None:
    await write(store, 1, 2)
    async with streaming(service) as stream:
        assert stream.answer.content_type == "text/event-stream"
        assert await stream.ids(2) == ["1-1", "2-1"]
        await write(store, 3)
        kind, event = await stream.next()
    assert kind == event["type"] == "reviewmirror.review.first_seen"
    page = await read(service, "/feed")
    assert event == page["events"][2]
    assert stream.last_id == page["cursor"]


async def test_a_reader_that_comes_back_goes_on_where_it_was(service: Client, store: Store) -> None:
    await write(store, 1, 2, 3)
    async with streaming(service) as stream:
        assert await stream.ids(2) == ["1-1", "2-1"]
    for given in ({"last_id": stream.last_id}, {"cursor": stream.last_id}):
        async with streaming(service, **given) as again:
            assert await again.ids(1) == ["3-1"]
    async with streaming(service, cursor="now") as fresh:
        await write(store, 4)
        assert await fresh.ids(1) == ["4-1"]


async def test_a_stream_is_filtered_as_the_feed_is(service: Client, store: Store) -> None:
    await write(store, 1, 2)
    async with streaming(service, partner="facebook") as of_partner, streaming(service, kind="vanished") as of_kind:
        await write(store, 3, partner="facebook")
        await apply(store, (1, START + DAY, make_body(make_deletion(make_review(1), None))))
        assert await of_partner.ids(1) == ["3-1"]
        assert await of_kind.ids(1) == ["1-2"]


async def test_a_reader_that_gets_nothing_gets_comments_and_its_place_moves_on(
    service: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_stream, "COMMENT_INTERVAL_S", 0.1)
    async with streaming(service, kind="gone") as stream:
        await write(store, 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await stream.next()
        assert stream.comments >= 3
        assert stream.last_id == (await read(service, "/feed"))["cursor"]


async def test_a_cursor_that_expired_is_told_and_ends_the_stream(service: Client, store: Store) -> None:
    await write(store, 1, 2, 3)
    first = (await read(service, "/feed", limit=1))["cursor"]
    await store.redis.xtrim(keys.FEED, maxlen=1, approximate=False)
    async with streaming(service, last_id=first) as stream:
        kind, error = await stream.next()
        assert (kind, error["error"]["code"]) == ("cursor_expired", "cursor_expired")
        with pytest.raises(EOFError):
            await stream.next()


async def test_what_cannot_be_used_is_refused_before_the_stream_begins(service: Client) -> None:
    for headers, parameters, error in (
        ({}, {}, (401, "unauthorized")),
        (READ | {"Last-Event-ID": "x"}, {}, (400, "bad_parameter")),
        (READ, {"wait": "5s"}, (400, "bad_parameter")),
    ):
        answer = await service.get("/feed/stream", headers=headers, params=parameters)
        assert await error_of(answer) == error


async def test_a_process_carries_so_many_streams_and_says_so(
    service: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_ring, "MAX_READERS", 1)
    await write(store, 1)
    async with streaming(service) as stream:
        await stream.next()
        answer = await service.get("/feed/stream", headers=READ)
        assert await error_of(answer) == (503, "too_many_streams")
        assert int(answer.headers["Retry-After"]) > 0


async def test_readers_share_what_is_worked_out_once(
    service: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = 0
    frame = feed_ring.frame

    def counting(*arguments: Any) -> bytes:
        nonlocal rendered
        rendered += 1
        return frame(*arguments)

    async with streaming(service) as one, streaming(service) as two, streaming(service) as three:
        await write(store, 1)
        for stream in (one, two, three):
            assert await stream.ids(1) == ["1-1"]
        monkeypatch.setattr(feed_ring, "frame", counting)
        monkeypatch.setattr(feed_stream, "frame", counting)
        await write(store, *range(2, 22))
        for stream in (one, two, three):
            assert await stream.ids(20) == [f"{number}-1" for number in range(2, 22)]
    assert rendered == 20


async def test_a_reader_further_back_than_the_ring_misses_nothing(
    service: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_ring, "MAX_EVENTS", 5)
    monkeypatch.setattr(feed_stream, "_STEP", 7)
    await write(store, *range(1, 30))
    async with streaming(service, cursor="now") as newest, streaming(service) as oldest:
        await write(store, *range(30, 60))
        assert await newest.ids(30) == [f"{number}-1" for number in range(30, 60)]
        assert await oldest.ids(59) == [f"{number}-1" for number in range(1, 60)]


async def test_what_was_erased_is_not_sent_from_memory(service: Client, store: Store) -> None:
    async with streaming(service, cursor="now") as stream:
        await write(store, 34)
        await stream.next()
        await forgetting.demand(store, [34])
        await Drainer(store, Policy()).run()
        assert (await stream.next())[1]["data"] == {"id": 34}
        async with streaming(service, cursor="0-0") as later:
            for _ in range(2):
                assert "Magasin" not in json.dumps(await later.next())


async def test_streams_end_in_order_when_the_service_stops(service: Client, store: Store) -> None:
    await write(store, 1)
    assert service.app is not None
    async with streaming(service) as stream:
        await stream.next()
        async with asyncio.timeout(2):
            await service.app[FEED_TAIL].stop()
            await service.app[FEED_RING].stop()
            with pytest.raises(EOFError):
                await stream.next()


async def test_a_reader_that_takes_nothing_is_hung_up_on_and_holds_up_nobody(
    service: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_stream, "WRITE_TIMEOUT_S", 0.5)
    monkeypatch.setattr(feed_stream, "COMMENT_INTERVAL_S", 60.0)
    reader, writer = await asyncio.open_connection(service.host, service.port, limit=1024)
    token = READ["Authorization"]
    writer.write(f"GET /feed/stream HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n".encode())
    await reader.readline()
    async with streaming(service) as quick:
        content = "x" * 100_000
        for number in range(1, 101):
            await write(store, number, content=content)
            assert await quick.ids(1) == [f"{number}-1"]
        assert service.app is not None
        ring = service.app[FEED_RING]

        async def hung_up_on() -> bool:
            return ring.readers == 1

        await wait_until(hung_up_on)
    writer.close()


async def test_a_stream_outlives_an_outage_of_redis(start_service: StartService, own_redis: OwnRedis) -> None:
    store = Store(connect(make_settings(), own_redis.url))
    client = await start_service(own_redis.url)
    await write(store, 1)
    async with streaming(client) as stream:
        assert await stream.ids(1) == ["1-1"]
        own_redis.stop()
        await asyncio.sleep(0.3)
        own_redis.start()
        await write(store, 2)
        assert await stream.ids(1) == ["2-1"]
    await store.close()
