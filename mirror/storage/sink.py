"""What Redis holds for the Postgres sink: who this mirror is, and how the sink stands, for whoever watches it."""

import secrets

import msgspec

from mirror.domain.feed import BEGINNING, Position
from mirror.storage import feed, keys
from mirror.storage.endpoints import MOST_COUNTED
from mirror.storage.store import Store


class SinkState(msgspec.Struct, frozen=True, kw_only=True):
    """How the worker that writes to Postgres last stood. Times are in ms since 1970 UTC.

    `state`: `filling`, `following`, `failing` or `stopped`; `since`: when it began to fail; `filled_to`: the last
    review's id while the tables are filled.
    """

    state: str
    at: int
    cursor: str = ""
    since: int = 0
    error: str = ""
    filled_to: int | None = None


class SinkLag(msgspec.Struct, frozen=True):
    """How far the tables are behind: in events, MOST_COUNTED if more, and by the age of the oldest of them in ms."""

    events: int
    age_ms: int


_STATE = msgspec.json.Decoder(SinkState)
_ENCODE = msgspec.json.Encoder().encode


async def mirror_id(store: Store) -> str:
    """Name this mirror, for good; what another Redis holds has another name."""
    await store.redis.set(keys.MIRROR_ID, secrets.token_hex(8), nx=True)
    return str((await store.redis.get(keys.MIRROR_ID)).decode())


async def holds(store: Store, position: Position) -> bool:
    """Tell whether the feed still has the entry at a place: a failover may have lost it."""
    if position == BEGINNING or position == (await feed.bounds(store)).last:
        return True
    return bool(await store.redis.xrange(keys.FEED, str(position), str(position), 1))


async def write_state(store: Store, state: SinkState) -> None:
    """Tell how the sink stands."""
    await store.redis.set(keys.SINK, _ENCODE(state), px=keys.SINK_KEPT_MS)


async def read_state(store: Store) -> SinkState | None:
    """Read how the sink stands; None where no worker has had one lately."""
    data = await store.redis.get(keys.SINK)
    return None if data is None else _STATE.decode(data)


async def lag(store: Store, state: SinkState) -> SinkLag:
    """Tell how far the tables are behind."""
    after = Position.read(state.cursor) if state.cursor else BEGINNING
    ahead = await feed.peek(store, after, MOST_COUNTED)
    age = await store.now() - ahead[0].position.at if ahead else 0
    return SinkLag(len(ahead), max(0, age))
