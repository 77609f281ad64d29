"""One endpoint's sender: reads the feed, sends in order for each review, and writes down how far it has come.

    fill      entries behind the cursor become items of the backlog
    send      the first item of up to CONCURRENCY reviews is posted
    settle    2xx: done; else the item is pending, and tried again; 410: the endpoint is disabled
    flush     cursor and pending items are written, together, to Redis

The cursor moves past an entry once it was delivered, is not wanted, or is written down as pending. So an event is sent
twice only where a process died between its answer and the next flush.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

import msgspec
import structlog

from mirror.domain.backlog import Backlog
from mirror.domain.feed import FORGOTTEN, CursorExpiredError, Entry, Position, Shown
from mirror.domain.outgoing import (
    DISABLE_AFTER_MS,
    PARK_AFTER_MS,
    Answer,
    Endpoint,
    Item,
    State,
    retry_delay,
)
from mirror.events import CloudEvent, concerns, event_of
from mirror.outgoing.client import OutgoingClient
from mirror.storage import endpoints, feed, keys
from mirror.storage.store import Store
from mirror.tasks import end
from worker.outgoing.follower import Follower

# Reviews of one endpoint of which an event may be on its way at once.
CONCURRENCY = 8
# Entries that are read at a time, and items in memory, before no more are read.
READ_STEP = 200
MAX_IN_MEMORY = 1_000
FLUSH_INTERVAL_S = 0.1
# An item that is not done so long after it was read is written down as pending, so that the cursor can pass it.
SPILL_AFTER_S = 1.0
# So many failures in a row, none of them about an event, and only one event is tried until one succeeds.
SUSPEND_AFTER = 10

log = structlog.get_logger()


class LostError(Exception):
    """Another worker sends to this endpoint now, or its configuration has changed."""


class Means(msgspec.Struct, frozen=True):
    """What all senders of a process share. `holder` names the process in leases; `now` tells the time in ms."""

    store: Store
    follower: Follower
    client: OutgoingClient
    holder: str
    now: Callable[[], int]


class Sender:
    """Sends to one endpoint while this process holds its lease."""

    def __init__(self, means: Means, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._store = means.store
        self._follower = means.follower
        self._client = means.client
        self._holder = means.holder
        self._now = means.now
        self._backlog = Backlog()
        # Entries behind the cursor in Redis, in their order: the item that each became, None once it is settled.
        self._window: OrderedDict[Position, tuple[float, Item | None]] = OrderedDict()
        self._written: set[str] = set()  # items that stand in `pending`
        self._stale: set[str] = set()  # of those, the ones whose failures have not been written
        self._position = Position(0)
        self._news = endpoints.News()
        self._sending: set[asyncio.Task[None]] = set()
        self._failing_since = 0
        self._failures_in_a_row = 0
        self._succeeded_at = 0
        self._resume_at = 0
        self._ended = False
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Send until told to stop, or until there is no more to do for this configuration.

        Raises LostError, or one of `connection.UNAVAILABLE`.
        """
        await self._load()
        flushing = asyncio.create_task(self._flush_regularly())
        try:
            while not (self._ended or self._stop.is_set()):
                await self._fill()
                self._send_due()
                await self._wait(flushing)
                if flushing.done():
                    flushing.result()
        finally:
            await end(flushing)
            await self._finish()

    def stop(self) -> None:
        """Have `run` end in order: what is on its way may end, and what became of it is written down."""
        self._stop.set()

    async def _load(self) -> None:
        sending = await endpoints.load(self._store, self.endpoint.id)
        self._position, self._failing_since = sending.cursor, sending.failing_since
        for item in sending.pending:
            self._written.add(item.position)
            self._drop(self._backlog.add(item))

    async def _fill(self) -> None:
        while self._follower.has_more(self._position) and self._has_room():
            try:
                entries = await feed.read(self._store, self._position, READ_STEP)
            except CursorExpiredError:
                await self._end(State.CURSOR_EXPIRED, "the feed does not reach back to where this endpoint stood")
                return
            if not entries:
                return
            wanted = [entry for entry in entries if self.endpoint.wants(entry.kind)]
            shown = {one.entry.position: one for one in await self._follower.show(wanted)}
            read_at = asyncio.get_running_loop().time()
            for entry in entries:
                self._position = entry.position
                self._window[entry.position] = (read_at, self._take(entry, shown.get(entry.position)))

    def _has_room(self) -> bool:
        in_memory = self._backlog.size - len(self._written)
        return in_memory < MAX_IN_MEMORY and self._backlog.size < keys.ITEMS_KEPT

    def _take(self, entry: Entry, shown: Shown | None) -> Item | None:
        """Make an item of an entry; None where it is not wanted, or need not be told."""
        if shown is None or str(entry.position) in self._written or not self._concerns(shown):
            return None
        if entry.kind == FORGOTTEN:
            self._follower.forget(entry.review_id)
        item = Item(
            position=str(entry.position),
            kind=entry.kind,
            review_id=entry.review_id,
            version=entry.version,
            delivery_id=entry.delivery_id,
            facts=entry.facts,
        )
        if entry.kind == "vanished" and self.endpoint.hold_vanished:
            vanished_at = entry.position.at if shown.change is None else shown.change.received_at
            item.next_at = vanished_at + self.endpoint.hold_vanished
        changed = shown.change is not None and bool(shown.change.fields)
        dropped = self._backlog.add(item, changed=changed)
        self._drop(dropped)
        return None if item in dropped else item

    def _concerns(self, shown: Shown) -> bool:
        businesses, partners = self.endpoint.business_ids or (None,), self.endpoint.partners or (None,)
        return any(concerns(shown, business, partner) for business in businesses for partner in partners)

    def _drop(self, items: list[Item]) -> None:
        for item in items:
            self._settle(item)

    def _settle(self, item: Item) -> None:
        """Note that nothing is left to do for an item."""
        position = Position.read(item.position)
        if position in self._window:
            self._window[position] = (self._window[position][0], None)
        if item.position in self._written:
            self._written.discard(item.position)
            self._news.drop.append(item.position)
        self._stale.discard(item.position)
        self._news.put.pop(item.position, None)

    def _send_due(self) -> None:
        now = self._now()
        if now < self._resume_at:
            return
        most = 1 if self._failures_in_a_row >= SUSPEND_AFTER else CONCURRENCY
        while len(self._sending) < most and (item := self._backlog.take(now)) is not None:
            self._sending.add(asyncio.create_task(self._deliver(item)))

    async def _wait(self, flushing: "asyncio.Task[None]") -> None:
        """Wait until something can be done: an answer, news in the feed, or the next item that is due."""
        waiting = [asyncio.create_task(self._follower.wait()), asyncio.create_task(self._stop.wait())]
        due = self._backlog.next_at()
        timeout = 1.0
        if due is not None and len(self._sending) < CONCURRENCY:
            timeout = min(timeout, max(0.005, (max(due, self._resume_at) - self._now()) / 1000))
        try:
            if not self._follower.has_more(self._position) or not self._has_room():
                await asyncio.wait(
                    {*waiting, flushing, *self._sending}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
                )
        finally:
            for one in waiting:
                one.cancel()
        for task in [task for task in self._sending if task.done()]:
            self._sending.discard(task)
            task.result()

    async def _deliver(self, item: Item) -> None:
        event = await self._event(item)
        answer = await self._client.post(self.endpoint, event, self._now())
        self._news.answers.append(endpoints.encode_answer(answer))
        self._news.answers = self._news.answers[-keys.ANSWERS_KEPT :]
        if answer.succeeded:
            self._succeeded(item, answer)
        else:
            await self._failed(item, answer)

    async def _event(self, item: Item) -> CloudEvent:
        position = Position.read(item.position)
        entry = Entry(position, item.kind, item.review_id, item.version, item.delivery_id, item.facts)
        (shown,) = await self._follower.show([entry])
        if shown.entry.kind != item.kind:  # a return that is told as an update
            event = event_of(msgspec.structs.replace(shown, entry=entry))
            return msgspec.structs.replace(event, data=event.data | {"kind": item.kind, "missing_for": None})
        return event_of(shown)

    def _succeeded(self, item: Item, answer: Answer) -> None:
        self._backlog.done(item)
        self._settle(item)
        self._count("delivered")
        if self._failing_since:
            log.info("endpoint.recovered", endpoint=self.endpoint.id, failing_since=self._failing_since)
            self._news.facts["failing_since"] = "0"
            self._failing_since = 0
        if self._failures_in_a_row >= SUSPEND_AFTER:
            self._backlog.hurry(self._now())
        self._failures_in_a_row = self._resume_at = 0
        self._succeeded_at = answer.at

    async def _failed(self, item: Item, answer: Answer) -> None:
        now = self._now()
        item.failures += 1
        item.last_status = answer.status
        self._count("failed")
        if not self._failing_since:
            self._failing_since = answer.at
            self._news.facts["failing_since"] = str(answer.at)
            log.warning("endpoint.failing", endpoint=self.endpoint.id, event_id=answer.event, **_words(answer))
        if answer.ends_it_all:
            await self._end(State.DISABLED, "the receiver answered 410")
            return
        if now - self._failing_since >= DISABLE_AFTER_MS:
            await self._end(State.DISABLED, f"nothing has succeeded for {DISABLE_AFTER_MS // 86_400_000} days")
            return
        if answer.refused:
            item.refused_since = item.refused_since or answer.at
            if now - item.refused_since >= PARK_AFTER_MS and self._succeeded_at > item.refused_since:
                self._park(item, answer)
                return
        else:
            self._suspend_if_ill(now)
        delay = retry_delay(item.failures, random.random())  # noqa: S311 - spreads retries, hides nothing
        if answer.asks_to_wait:
            delay = max(delay, answer.retry_after)
            self._resume_at = max(self._resume_at, now + answer.retry_after)
        item.next_at = now + delay
        self._stale.add(item.position)
        self._backlog.failed(item)

    def _suspend_if_ill(self, now: int) -> None:
        self._failures_in_a_row += 1
        if (beyond := self._failures_in_a_row - SUSPEND_AFTER) >= 0:
            # The endpoint itself is ill: no event is to use up its attempts.
            self._resume_at = now + retry_delay(beyond + 1, random.random())  # noqa: S311 - spreads retries

    def _park(self, item: Item, answer: Answer) -> None:
        log.error("endpoint.parked", endpoint=self.endpoint.id, event_id=item.event_id, **_words(answer))
        self._backlog.done(item)
        self._settle(item)
        self._news.park[item.position] = endpoints.encode_item(item)
        self._count("parked")

    def _count(self, name: str) -> None:
        self._news.counts[name] = self._news.counts.get(name, 0) + 1

    async def _end(self, state: State, reason: str) -> None:
        """Stop for good: what is pending stays so, for whoever resumes the endpoint."""
        self._ended = True
        await self._flush()
        log.error("endpoint.disabled", endpoint=self.endpoint.id, state=state, reason=reason)
        await endpoints.change(
            self._store,
            self.endpoint.id,
            lambda one: msgspec.structs.replace(one, state=state, reason=reason),
        )

    async def _flush_regularly(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_INTERVAL_S)
            if not self._ended:
                await self._flush()

    async def _flush(self) -> None:
        """Write cursor and pending items. Raises LostError, or one of `connection.UNAVAILABLE`."""
        for failed in list(self._backlog) if self._stale else ():
            if failed.position in self._stale:
                self._write_down(failed)
        self._stale.clear()
        spill_before = asyncio.get_running_loop().time() - SPILL_AFTER_S
        cursor = ""
        while self._window:
            position, (read_at, item) = next(iter(self._window.items()))
            if item is not None and item.position not in self._written:
                if read_at > spill_before and not self._ended:
                    break
                self._write_down(item)
            cursor = str(position)
            del self._window[position]
        news, self._news = self._news, endpoints.News()
        news.cursor = cursor
        if news == endpoints.News():
            return
        if not await endpoints.flush(self._store, self.endpoint, self._holder, news):
            raise LostError(self.endpoint.id)

    def _write_down(self, item: Item) -> None:
        self._written.add(item.position)
        self._news.put[item.position] = endpoints.encode_item(item)

    async def _finish(self) -> None:
        """Let what is on its way end, and write down what became of it."""
        if self._sending:
            await asyncio.wait(set(self._sending))
        if not self._ended:
            with suppress(LostError):
                await self._flush()


def _words(answer: Answer) -> dict[str, object]:
    return {"status": answer.status} if answer.status else {"error": answer.error}
