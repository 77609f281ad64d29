"""The newest events of the feed, worked out once and written as server-sent events for all readers of streams."""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import msgspec

from mirror.domain.feed import FORGOTTEN, CursorExpiredError, Position, Shown
from mirror.events import CloudEvent, Filter, event_of
from mirror.storage import feed
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.store import Store
from service.api.feed_tail import FeedTail

# What the ring holds at most. A reader that is further back reads from Redis instead.
MAX_EVENTS = 1_000
MAX_BYTES = 4 * 1024 * 1024
# What one write to a reader holds: about so much.
MAX_CHUNK_BYTES = 128 * 1024
MAX_READERS = 500
# Readers that have not taken the end of their stream by then are hung up on.
STOP_PATIENCE_S = 2.0
_STEP = 200
_LOOK_S = 5.0
_PAUSE_S = 0.5
# Readers that are woken at a time: deliveries are acknowledged between two such groups.
_WOKEN_AT_ONCE = 10

_ENCODE = msgspec.json.Encoder().encode


class Chunk(msgspec.Struct, frozen=True):
    """Events as they are written to a stream; `position` is behind the last entry looked at."""

    data: bytes
    position: Position
    count: int = 0


class _Rendered(msgspec.Struct, frozen=True):
    shown: Shown
    frame: bytes


class Reader(msgspec.Struct, frozen=True, eq=False):
    """One stream. `news` is set whenever there may be more to take; `abort` hangs up, whatever is still to be sent."""

    abort: Callable[[], None]
    news: asyncio.Event = msgspec.field(default_factory=asyncio.Event)


class TooManyReadersError(Exception):
    """As many streams are open as this process carries."""


def frame(position: Position, event: CloudEvent) -> bytes:
    """Write an event for a stream. JSON holds no line break, so it is one `data` line."""
    head = f"id: {position}\nevent: {event.type}\ndata: ".encode()
    return head + _ENCODE(event) + b"\n\n"


class FeedRing:
    """Follows the feed while anybody reads a stream. Readers take from it at their own pace."""

    def __init__(self, store: Store, tail: FeedTail) -> None:
        self._store = store
        self._tail = tail
        self._start = self._end = Position(0)
        self._running = False
        self._rendered: list[_Rendered] = []
        self._bytes = 0
        self._chunks: dict[tuple[Position, Filter], Chunk] = {}
        self._readers: set[Reader] = set()
        self._somebody = asyncio.Event()
        self._nobody = asyncio.Event()
        self._nobody.set()
        # Connections to Redis are few: only so many readers at once read from it what the ring does not hold.
        self.catching_up = asyncio.Semaphore(2)

    async def run(self) -> None:
        """Follow the feed until cancelled."""
        while not self.stopping:
            await self._somebody.wait()
            try:
                await self._follow()
            except (StorageUnavailableError, CursorExpiredError):
                # Readers go on where they are: from Redis, once it answers, where they also learn what is missing.
                self._clear()
                await asyncio.sleep(_PAUSE_S)

    @property
    def readers(self) -> int:
        return len(self._readers)

    @property
    def stopping(self) -> bool:
        return self._tail.stopping

    @contextmanager
    def reading(self, abort: Callable[[], None]) -> Iterator[Reader]:
        """Take part until the end of the context. Raises TooManyReadersError."""
        if len(self._readers) >= MAX_READERS:
            raise TooManyReadersError
        reader = Reader(abort)
        self._readers.add(reader)
        self._somebody.set()
        self._nobody.clear()
        try:
            yield reader
        finally:
            self._readers.discard(reader)
            if not self._readers:
                self._somebody.clear()
                self._nobody.set()
                self._clear()

    async def stop(self) -> None:
        """End all streams, once the tail has stopped: those of readers that take nothing any more by force."""
        await self._wake()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_PATIENCE_S):
                await self._nobody.wait()
        for reader in self._readers:
            reader.abort()

    async def _follow(self) -> None:
        if not self._running:
            self._start = self._end = (await feed.bounds(self._store)).last
            self._running = True
            await self._wake()
        await self._tail.wait(self._end, _LOOK_S)
        if not self._running:
            return
        entries = await feed.read(self._store, self._end, _STEP)
        shown = await feed.show(self._store, entries)
        if entries and self._running:
            self._append(shown)
            await self._wake()

    def _append(self, shown: Sequence[Shown]) -> None:
        self._chunks.clear()
        for one in shown:
            if one.entry.kind == FORGOTTEN:
                # What is worked out of the erased review must not be sent any more: from here on Redis tells.
                self._drop(len(self._rendered))
            rendered = _Rendered(one, frame(one.entry.position, event_of(one)))
            self._rendered.append(rendered)
            self._bytes += len(rendered.frame)
            self._end = one.entry.position
        dropped = max(0, len(self._rendered) - MAX_EVENTS)
        excess = self._bytes - sum(len(one.frame) for one in self._rendered[:dropped]) - MAX_BYTES
        while excess > 0:
            excess -= len(self._rendered[dropped].frame)
            dropped += 1
        self._drop(dropped)

    def _drop(self, count: int) -> None:
        if count:
            self._start = self._rendered[count - 1].shown.entry.position
            self._bytes -= sum(len(one.frame) for one in self._rendered[:count])
            del self._rendered[:count]

    def _clear(self) -> None:
        self._running = False
        self._rendered.clear()
        self._chunks.clear()
        self._bytes = 0

    async def _wake(self) -> None:
        """Let all readers look, a few at a time."""
        for number, reader in enumerate(list(self._readers), 1):
            reader.news.set()
            if number % _WOKEN_AT_ONCE == 0:
                await asyncio.sleep(0)

    def take(self, after: Position, wanted: Filter) -> Chunk | None:
        """Give what follows a position, which may be nothing; None where the ring does not reach back to it."""
        if not self._running or after < self._start:
            return None
        chunk = self._chunks.get((after, wanted))
        if chunk is None:
            chunk = self._chunks[after, wanted] = self._chunk(after, wanted)
        return chunk

    def _chunk(self, after: Position, wanted: Filter) -> Chunk:
        frames: list[bytes] = []
        size = 0
        first = bisect_right(self._rendered, after, key=lambda one: one.shown.entry.position)
        for one in self._rendered[first:]:
            if size >= MAX_CHUNK_BYTES:
                break
            after = one.shown.entry.position
            if wanted.matches(one.shown):
                frames.append(one.frame)
                size += len(one.frame)
        return Chunk(b"".join(frames), after, len(frames))
