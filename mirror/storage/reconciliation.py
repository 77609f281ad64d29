"""How far a reconciliation has come, in Redis: an interrupted one is gone on with, and only one runs at a time."""

import asyncio
import secrets
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import msgspec

from mirror.domain.record import UNDECODABLE
from mirror.stopping import cancel_and_wait
from mirror.storage import keys
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.store import Store

_ID_BYTES = 8


class Position(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Where a run stands. Times are milliseconds since 1970 UTC.

    `search`: which of the searches is being listed, their number once all are; `page`: the last one read of it;
    `listed`: how many reviews it counts, at the most; `ids`: how many ids of it are stored. `after_business`: up to
    where absences have been looked into. `passed_over`: how many reviews the listings counted but did not show.
    `shows_deleted`: Partoo has shown a deleted review as deleted.
    """

    started_at: int
    search: int = 0
    page: int = 1
    listed: int = 0
    ids: int = 0
    after_business: str = ""
    passed_over: int = 0
    shows_deleted: bool = False
    counts: dict[str, int] = {}


class BusyError(Exception):
    """Another reconciliation is under way."""


async def load(store: Store, scope: str) -> Position | None:
    """Read where the run of a scope was interrupted; None: there is nothing (that this release knows) to go on with."""
    data = await store.redis.get(keys.reconciliation(scope))
    try:
        return None if data is None else msgspec.json.decode(data, type=Position)
    except UNDECODABLE:
        return None


async def save(store: Store, scope: str, position: Position, ids: Sequence[int] = ()) -> None:
    """Write where a run stands, and `ids`, those that its listing has shown since it was last written."""
    seen = keys.reconciliation_seen(scope, position.search)
    start = position.ids * _ID_BYTES
    position.ids += len(ids)
    async with store.redis.pipeline(transaction=True) as pipe:
        if ids:
            # Not APPEND: this may be sent twice.
            pipe.setrange(seen, start, array("q", ids).tobytes())
            pipe.pexpire(seen, keys.RECONCILIATION_TTL_MS)
        pipe.set(keys.reconciliation(scope), msgspec.json.encode(position), px=keys.RECONCILIATION_TTL_MS)
        await pipe.execute()


async def seen(store: Store, scope: str, search: int) -> set[int]:
    """Read the ids that a listing has shown so far."""
    ids = array("q")
    ids.frombytes(await store.redis.get(keys.reconciliation_seen(scope, search)) or b"")
    return set(ids)


async def clear(store: Store, scope: str, searches: int) -> None:
    """Forget the run of a scope."""
    names = [keys.reconciliation_seen(scope, search) for search in range(searches)]
    await store.redis.delete(keys.reconciliation(scope), *names)


@asynccontextmanager
async def alone(store: Store) -> AsyncIterator[None]:
    """Hold, while the context lasts, what only one of the fleet may. Raises BusyError.

    Should Redis be away for longer than the hold lasts, two may run: that costs requests, and does no harm.
    """
    holder = secrets.token_hex(8)
    if not await store.hold(keys=[keys.RECONCILIATION_HOLD], args=[holder, keys.RECONCILIATION_HOLD_MS]):
        raise BusyError
    holding = asyncio.create_task(_keep(store, holder))
    try:
        yield
    finally:
        await cancel_and_wait(holding)
        with suppress(StorageUnavailableError):
            await store.hold(keys=[keys.RECONCILIATION_HOLD], args=[holder, 0])


async def _keep(store: Store, holder: str) -> None:
    while True:
        await asyncio.sleep(keys.RECONCILIATION_HOLD_MS / 3000)
        with suppress(StorageUnavailableError):
            await store.hold(keys=[keys.RECONCILIATION_HOLD], args=[holder, keys.RECONCILIATION_HOLD_MS])


async def plan(store: Store) -> bool:
    """Tell whether the day's run is still to be planned; only the first who asks is told so."""
    return bool(await store.redis.set(keys.RECONCILIATION_PLANNED, 1, nx=True, px=keys.RECONCILIATION_PLANNED_MS))


async def unplan(store: Store) -> None:
    """Have the day's run planned once more: nothing came of it."""
    await store.redis.delete(keys.RECONCILIATION_PLANNED)
