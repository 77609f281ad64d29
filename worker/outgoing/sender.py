"""One endpoint's sender: reads the feed, sends in order for each review, and writes down how far it has come.

fill      entries behind the cursor become items of the backlog
pump      the first item of up to CONCURRENCY reviews is posted
settle    2xx: done; else it is tried again, parked, or the endpoint is disabled (see `answers`)
flush     cursor and pending items are written, together, to Redis (see `progress`)
"""

import asyncio
from collections.abc import Callable

import msgspec
import structlog

from mirror.domain.backlog import Backlog
from mirror.domain.feed import FORGOTTEN, CursorExpiredError, Entry, Position, Shown
from mirror.domain.outgoing import Answer, Endpoint, Item, State
from mirror.events import CloudEvent, concerns, event_of
from mirror.outgoing.client import OutgoingClient
from mirror.stopping import cancel_and_wait
from mirror.storage import endpoints, feed, keys
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.store import Store
from worker.outgoing.follower import Follower
from worker.outgoing.patience import Patience, Verdict
from worker.outgoing.progress import Progress

# Reviews of one endpoint of which an event may be on its way at once.
CONCURRENCY = 8
# Entries that are read at a time; items in memory, and entries that the cursor in Redis has not passed, before no more
# are read.
READ_STEP = 200
MAX_IN_MEMORY = 1_000
MAX_BEHIND = 5_000
FLUSH_INTERVAL_S = 0.1
# Clocks may be set: it is looked again so often.
LONGEST_WAIT_S = 1.0
# After how long a step that Redis did not let happen is tried again.
_PAUSE_MS = 500
_VANISHED, _REAPPEARED, _UPDATED = "vanished", "reappeared", "updated"

log = structlog.get_logger()


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
        self._means = means
        self._follower = means.follower
        self._backlog = Backlog()
        self._progress = Progress(means.store, endpoint, means.holder)
        self._patience = Patience(endpoint.id)
        self._position = Position(0)
        self._sending: set[asyncio.Task[None]] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._room = asyncio.Event()
        self._stop = asyncio.Event()
        self._error: BaseException | None = None

    async def run(self) -> None:
        """Send until told to stop, or until there is no more to do for this configuration.

        Raises LostError.
        """
        await self._load()
        loops = [asyncio.create_task(self._read()), asyncio.create_task(self._flush_regularly())]
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({*loops, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stop.set()
            if self._alarm is not None:
                self._alarm.cancel()
            errors = [loop.exception() for loop in loops if loop.done() and not loop.cancelled()]
            await cancel_and_wait(*loops, stopping)
            try:
                await asyncio.gather(*self._sending)
            finally:
                await cancel_and_wait(*self._sending)
        for error in (self._error, *errors):
            if error is not None:
                raise error
        await self._progress.flush(final=True)

    def stop(self) -> None:
        """Have `run` end in order: what is on its way may end, and what became of it is written down."""
        self._stop.set()

    async def _load(self) -> None:
        sending = await endpoints.load(self._means.store, self.endpoint.id)
        self._position = sending.cursor
        self._patience.failing_since = sending.failing_since
        for item in sending.pending:
            self._progress.loaded(item)
            self._backlog.add(item)

    async def _read(self) -> None:
        """Read on whenever the feed has more and there is room for it."""
        self._pump()
        while True:
            if not self._follower.has_more(self._position):
                self._pump()  # what was held may have become due
                await self._follower.wait()
            elif not self._has_room():
                self._room.clear()
                await self._room.wait()
            else:
                try:
                    await self._fill()
                except StorageUnavailableError:
                    await asyncio.sleep(_PAUSE_MS / 1000)
                self._pump()

    def _has_room(self) -> bool:
        in_memory = self._backlog.size - self._progress.pending
        return (
            in_memory < MAX_IN_MEMORY
            and self._progress.size < MAX_BEHIND
            and self._backlog.size - self._backlog.held < keys.ITEMS_KEPT
            and self._backlog.held < keys.HELD_KEPT
        )

    async def _fill(self) -> None:
        try:
            entries = await feed.read(self._means.store, self._position, READ_STEP)
        except CursorExpiredError:
            await self._end(State.CURSOR_EXPIRED, "the feed does not reach back to where this endpoint stood")
            return
        shown = {one.entry.position: one for one in await self._follower.show([*filter(self._looks_at, entries)])}
        for entry in entries:
            if entry.kind == FORGOTTEN:
                self._follower.forget(entry.review_id)
            self._position = entry.position
            self._progress.read(entry.position, self._take(entry, shown.get(entry.position)))

    def _looks_at(self, entry: Entry) -> bool:
        heals = entry.kind == _REAPPEARED and self.endpoint.hold_vanished
        return bool(heals) or self.endpoint.wants(entry.kind)

    def _take(self, entry: Entry, shown: Shown | None) -> Item | None:
        """Make an item of an entry; None where it is not wanted, or need not be told."""
        if shown is None or self._progress.knows(entry.position) or not self._concerns(shown):
            return None
        item = Item(
            position=str(entry.position),
            kind=entry.kind,
            review_id=entry.review_id,
            version=entry.version,
            delivery_id=entry.delivery_id,
            facts=entry.facts,
        )
        at = entry.position.at if shown.change is None else shown.change.received_at
        if entry.kind == FORGOTTEN:
            self._drop(self._backlog.erase(entry.review_id))
        elif entry.kind == _VANISHED and self.endpoint.hold_vanished:
            item.held_until = item.next_at = at + self.endpoint.hold_vanished
        elif entry.kind == _REAPPEARED and (healed := self._backlog.heal(entry.review_id, at)) is not None:
            self._drop(healed)
            if shown.change is None or not shown.change.fields:
                return None
            # Nobody was told that it was away: what is new about it is an update.
            item.told_as = _UPDATED
        if not self.endpoint.wants(item.told_as or item.kind):
            return None
        self._backlog.add(item)
        return item

    def _concerns(self, shown: Shown) -> bool:
        businesses, partners = self.endpoint.business_ids or (None,), self.endpoint.partners or (None,)
        return any(concerns(shown, business, partner) for business in businesses for partner in partners)

    def _drop(self, items: list[Item]) -> None:
        for item in items:
            self._progress.settled(item)

    def _pump(self) -> None:
        """Post what may be sent now, and set an alarm for what may be sent later."""
        if self._stop.is_set() or self._progress.failed_to_write:
            return
        now = self._means.now()
        most = self._patience.most(CONCURRENCY, now)
        # If nothing more fits, it cannot be waited for.
        all_known = self._follower.has_all(self._position) or not self._has_room()
        while len(self._sending) < most and (item := self._backlog.take(now, all_known=all_known)) is not None:
            task = asyncio.create_task(self._deliver(item))
            self._sending.add(task)
            task.add_done_callback(self._delivered)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        due = self._backlog.next_at()
        if due is not None and len(self._sending) < max(most, 1):
            wait_s = max(due - now, self._patience.resume_at - now, 20) / 1000
            self._alarm = asyncio.get_running_loop().call_later(min(wait_s, LONGEST_WAIT_S), self._pump)

    def _delivered(self, task: "asyncio.Task[None]") -> None:
        self._sending.discard(task)
        self._room.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._error = error
            self._stop.set()
        self._pump()

    async def _deliver(self, item: Item) -> None:
        try:
            event = await self._event(item)
        except StorageUnavailableError:
            item.next_at = self._means.now() + _PAUSE_MS
            self._backlog.failed(item)
            return
        answer = await self._means.client.post(self.endpoint, event, self._means.now())
        self._progress.answered(answer)
        await self._settle(item, answer)

    async def _event(self, item: Item) -> CloudEvent:
        position = Position.read(item.position)
        entry = Entry(position, item.kind, item.review_id, item.version, item.delivery_id, item.facts)
        shown = await self._follower.show_one(entry)
        if not item.told_as:
            return event_of(shown)
        event = event_of(msgspec.structs.replace(shown, entry=msgspec.structs.replace(entry, kind=item.told_as)))
        return msgspec.structs.replace(event, data=event.data | {"kind": item.told_as, "missing_for": None})

    async def _settle(self, item: Item, answer: Answer) -> None:
        """Do what an answer means for its event, and for the endpoint."""
        verdict, reason = self._patience.judge(item, answer, self._means.now())
        self._progress.count("delivered" if verdict is Verdict.DELIVERED else "failed")
        if self._patience.changed:
            self._progress.failing_since(self._patience.failing_since)
        if verdict is Verdict.AGAIN:
            self._progress.failed(item)
            self._backlog.failed(item)
            return
        if verdict is Verdict.DISABLE:
            self._progress.failed(item)
            self._backlog.failed(item)
            await self._end(State.DISABLED, reason)
            return
        self._backlog.done(item)
        self._progress.settled(item)
        if verdict is Verdict.PARK:
            self._progress.parked(item)
            self._progress.count("parked")
        if self._patience.recovered:
            self._backlog.hurry(self._means.now())

    async def _end(self, state: State, reason: str) -> None:
        """Stop for good: what is pending stays so, for whoever resumes the endpoint."""
        await self._progress.flush(final=True)
        log.error("endpoint.disabled", endpoint=self.endpoint.id, state=state, reason=reason)
        await endpoints.change(
            self._means.store, self.endpoint.id, lambda one: msgspec.structs.replace(one, state=state, reason=reason)
        )
        self._stop.set()

    async def _flush_regularly(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_INTERVAL_S)
            try:
                await self._progress.flush()
            except StorageUnavailableError:
                # It is written once Redis is back; what is more could not be, so until then nothing is sent.
                await asyncio.sleep(_PAUSE_MS / 1000)
                continue
            self._room.set()
            self._pump()
