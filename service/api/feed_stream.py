"""`GET /feed/stream`: the feed as server-sent events. Closed unless API_TOKEN is set.

A reader takes what the ring holds and, further back, what Redis holds. Nothing is queued for it: one that is slow falls
back behind the ring, and one that takes nothing for WRITE_TIMEOUT_S is hung up on. It goes on at its Last-Event-ID.
"""

import asyncio
from contextlib import suppress

import msgspec
import structlog
from aiohttp import web
from aiohttp_sse import EventSourceResponse

from mirror.domain.feed import CursorExpiredError, Position
from mirror.events import Filter
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.store import Store
from service.api import parameters
from service.api.feed import expired, next_batch, read_cursor, read_filter
from service.api.feed_ring import Chunk, FeedRing, Reader, TooManyReadersError, frame
from service.app_keys import FEED_RING, READ_STORE
from service.auth import authorize, log_read
from service.errors import RETRY_AFTER_S, ServiceError, error_of
from service.requests import ALWAYS, LOG_FACTS

# A comment at least so often: proxies hang up on silence.
COMMENT_INTERVAL_S = 10.0
WRITE_TIMEOUT_S = 10.0
# Events that are read from Redis at a time.
_STEP = 100
_PAUSE_S = 0.5
# How often it is looked whether a reader has left, which aiohttp does not tell a handler.
_LOOK_S = 1.0

log = structlog.get_logger()


async def stream_feed(request: web.Request) -> web.StreamResponse:
    """Send the events behind a cursor, and then each as it happens, until either side has had enough."""
    token = authorize(request)
    parameters.check_parameters(request, "cursor", "kind", "business_id", "partner")
    wanted, store, ring = read_filter(request), request.app[READ_STORE], request.app[FEED_RING]
    cursor = await read_cursor(request, store, request.headers.get("Last-Event-ID") or None)
    transport = request.transport
    assert transport is not None  # noqa: S101 - only a request that is answered has none any more
    try:
        with ring.reading(transport.abort) as reader:
            response = EventSourceResponse(
                headers={**ALWAYS, "X-Request-ID": request[LOG_FACTS]["request_id"]},
                ping_interval=COMMENT_INTERVAL_S,
                send_timeout=WRITE_TIMEOUT_S,
            )
            await response.prepare(request)
            async with response:
                stream = _Stream(store, ring, reader, response, wanted, transport)
                await _send(stream, cursor, request[LOG_FACTS])
            log_read(request, token, stream.sent, business_id=wanted.business_id, partner=wanted.partner)
            return response
    except TooManyReadersError:
        message = "this process carries no more streams: try again, or read GET /feed with wait"
        raise ServiceError(503, "too_many_streams", message, {"Retry-After": str(RETRY_AFTER_S)}) from None


async def _send(stream: "_Stream", cursor: Position, facts: dict[str, str]) -> None:
    """Run a stream to its end. Raises nothing: its head is sent, so no error can be answered."""
    try:
        try:
            await stream.run(cursor)
        except CursorExpiredError:
            error = expired()
            body = msgspec.json.encode(error_of(error.code, error.message, facts["request_id"]))
            await _write(stream.response, b"event: cursor_expired\ndata: %b\n\n" % body)
        async with asyncio.timeout(WRITE_TIMEOUT_S):
            await stream.response.write_eof()
    except TimeoutError:
        log.info("feed.reader_too_slow", **facts)
        stream.transport.abort()
    except ConnectionError:
        return  # the reader has left


async def _write(response: EventSourceResponse, data: bytes) -> None:
    """Write to a stream. Raises TimeoutError to a reader that takes nothing, ConnectionError when it has left."""
    async with asyncio.timeout(WRITE_TIMEOUT_S):
        await response.write(data)


class _Stream(msgspec.Struct):
    store: Store
    ring: FeedRing
    reader: Reader
    response: EventSourceResponse
    wanted: Filter
    transport: asyncio.Transport
    sent: int = 0

    async def run(self, cursor: Position) -> None:
        """Send events until the service stops. Raises what `_write` does, or CursorExpiredError."""
        clock = asyncio.get_running_loop().time
        told, told_at = cursor, clock()
        # What was given may be beyond the feed's end, of which the ring knows nothing.
        chunk = await self._read(cursor)
        while not self.ring.stopping:
            self.reader.news.clear()
            cursor = chunk.position
            if chunk.data:
                await _write(self.response, chunk.data)
                self.sent += chunk.count
                told, told_at = cursor, clock()
            elif cursor != told and clock() - told_at >= COMMENT_INTERVAL_S:
                # All is filtered out: the reader is to know all the same where it could go on.
                await _write(self.response, b": nothing for you\nid: %b\n\n" % str(cursor).encode())
                told, told_at = cursor, clock()
            following = self.ring.take(cursor, self.wanted)
            if following is None:
                following = await self._read(cursor)
            if following.position == cursor:
                await self._wait()
            chunk = following

    async def _read(self, cursor: Position) -> Chunk:
        """Read from Redis what the ring does not hold, waiting for Redis if it is away. Raises CursorExpiredError."""
        try:
            async with self.ring.catching_up:
                batch = await next_batch(self.store, cursor, _STEP, self.wanted)
        except StorageUnavailableError:
            await asyncio.sleep(_PAUSE_S)
            return Chunk(b"", cursor)
        return Chunk(b"".join(frame(*one) for one in batch.events), batch.cursor, len(batch.events))

    async def _wait(self) -> None:
        """Wait for news. Raises ConnectionError when the reader has left."""
        with suppress(TimeoutError):
            async with asyncio.timeout(min(_LOOK_S, COMMENT_INTERVAL_S)):
                await self.reader.news.wait()
        if self.transport.is_closing():
            raise ConnectionResetError
