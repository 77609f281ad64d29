"""`GET /feed`: every change, in order, for programs. Closed unless API_TOKEN is set."""

import asyncio
from collections.abc import Sequence

import msgspec
from aiohttp import web

from mirror import parsing
from mirror.domain.feed import KINDS, CursorExpiredError, Position
from mirror.events import CloudEvent, Filter, event_of
from mirror.storage import feed
from mirror.storage.store import Store
from mirror.tokens import Token
from service.api import parameters
from service.app_keys import FEED_TAIL, READ_STORE
from service.auth import authorize, log_read
from service.errors import ServiceError, json_response

DEFAULT_LIMIT = 100
MAX_LIMIT = 500
MAX_WAIT_MS = 50_000
# Entries that one answer may look at where the filters hide most of them.
MAX_SCANNED = 2_000
RESYNCHRONISE = "read GET /reviews from its first page, then the feed from the cursor that it gives"


class Batch(msgspec.Struct, frozen=True):
    """Events, the oldest first, each with its position; `cursor` is where the next batch begins."""

    events: Sequence[tuple[Position, CloudEvent]]
    cursor: Position


async def get_feed(request: web.Request) -> web.Response:
    """Answer the events behind a cursor; where there are none, wait for some as long as `wait` says."""
    token = authorize(request)
    parameters.check_parameters(request, "cursor", "limit", "wait", "kind", "business_id", "partner")
    wanted = read_filter(request)
    limit = parameters.limit(request, DEFAULT_LIMIT, MAX_LIMIT)
    wait_s = _wait(request) / 1000
    store, tail = request.app[READ_STORE], request.app[FEED_TAIL]
    cursor = await read_cursor(request, store)
    deadline = asyncio.get_running_loop().time() + wait_s
    try:
        batch = await next_batch(store, cursor, limit, wanted)
        while not batch.events and (left := deadline - asyncio.get_running_loop().time()) > 0 and not tail.stopping:
            await tail.wait(batch.cursor, left)
            batch = await next_batch(store, batch.cursor, limit, wanted)
    except CursorExpiredError:
        raise expired() from None
    log_events(request, token, batch, wanted)
    return json_response({"events": [event for _, event in batch.events], "cursor": str(batch.cursor)})


def log_events(request: web.Request, token: Token, batch: Batch, wanted: Filter) -> None:
    """Log that a reader was given the reviews of these events."""
    reviews = {event.subject for _, event in batch.events if event.source == "/reviews"}
    log_read(request, token, len(reviews), **msgspec.structs.asdict(wanted))


async def next_batch(store: Store, cursor: Position, limit: int, wanted: Filter) -> Batch:
    """Read up to `limit` events that are wanted.

    Raises CursorExpiredError.
    """
    events: list[tuple[Position, CloudEvent]] = []
    scanned = 0
    while len(events) < limit and scanned < MAX_SCANNED:
        step = limit - len(events)
        entries = await feed.read(store, cursor, step)
        found = await feed.show(store, [entry for entry in entries if wanted.names(entry.kind)])
        shown = [one for one in found if wanted.matches(one)]
        events += [(one.entry.position, event_of(one)) for one in shown]
        scanned += len(entries)
        cursor = entries[-1].position if entries else cursor
        if len(entries) < step:
            break
    return Batch(events, cursor)


def read_filter(request: web.Request) -> Filter:
    """Read which events are wanted. Raises ServiceError."""
    kind = request.query.get("kind")
    if kind is not None and kind not in KINDS:
        raise parameters.bad_parameter("kind", f"must be one of {', '.join(KINDS)}")
    return Filter(kind, parameters.filter_by(request, "business_id"), parameters.filter_by(request, "partner"))


async def read_cursor(request: web.Request, store: Store, given: str | None = None) -> Position:
    """Read where to begin: `given`, else the parameter; without either the oldest event kept, `now`: behind the newest.

    Raises ServiceError.
    """
    text = request.query.get("cursor") if given is None else given
    if text is None:
        return (await feed.bounds(store)).oldest
    if text == "now":
        return (await feed.bounds(store)).last
    try:
        return Position.read(text)
    except ValueError as error:
        raise parameters.bad_parameter("cursor", f"{error}: take the one of the last answer, or now") from None


def expired() -> ServiceError:
    """Make the answer to a reader that was away for longer than the feed keeps its entries."""
    return ServiceError(410, "cursor_expired", f"what followed this cursor is not kept any more: {RESYNCHRONISE}")


def _wait(request: web.Request) -> int:
    text = request.query.get("wait")
    if text is None:
        return 0
    try:
        wait = parsing.duration(text)
    except ValueError as error:
        raise parameters.bad_parameter("wait", str(error)) from None
    if wait > MAX_WAIT_MS:
        raise parameters.bad_parameter("wait", f"must be at most {MAX_WAIT_MS // 1000}s")
    return wait
