"""What an operator does to an endpoint: for the command line and the console."""

import msgspec

from mirror.domain.feed import Position
from mirror.domain.outgoing import Endpoint, State
from mirror.storage import endpoints, feed
from mirror.storage.store import Store


async def pause(store: Store, endpoint_id: str) -> Endpoint:
    """Send nothing until it is resumed. Raises UnknownEndpointError."""
    return await _set(store, endpoint_id, State.PAUSED)


async def resume(store: Store, endpoint_id: str) -> Endpoint:
    """Go on, also where it was disabled. Raises UnknownEndpointError."""
    before = await endpoints.get(store, endpoint_id)
    # Of one that was away for too long, what lies between is lost, and was said: it goes on with the oldest kept.
    cursor = (await feed.bounds(store)).oldest if before.state is State.CURSOR_EXPIRED else None
    return await _set(store, endpoint_id, State.ACTIVE, cursor)


async def replay(store: Store, endpoint_id: str, since: int) -> Endpoint:
    """Send again what happened since a time (ms since 1970 UTC).

    Raises CursorExpiredError where the feed does not reach back to it, UnknownEndpointError.
    """
    bounds = await feed.bounds(store)
    cursor = min(Position(since), bounds.last)
    bounds.check(cursor)
    return await endpoints.change(store, endpoint_id, cursor=cursor)


async def _set(store: Store, endpoint_id: str, state: State, cursor: Position | None = None) -> Endpoint:
    return await endpoints.change(
        store, endpoint_id, lambda one: msgspec.structs.replace(one, state=state, reason=""), cursor
    )
