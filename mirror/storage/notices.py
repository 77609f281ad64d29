"""Operator notices in Redis: who sends them, what was told, and what waits to be sent."""

import msgspec

from mirror.domain.notices import State
from mirror.storage import keys
from mirror.storage.store import Store

_STATE = msgspec.json.Decoder(State)
_ENCODE = msgspec.json.Encoder().encode


async def lead(store: Store, holder: str) -> bool:
    """Take or keep the lease; tells whether it is the caller's."""
    return bool(await store.hold(keys=[keys.NOTICES_LEASE], args=[holder, keys.NOTICES_LEASE_MS]))


async def give_up(store: Store, holder: str) -> None:
    """Leave the lease to others."""
    await store.hold(keys=[keys.NOTICES_LEASE], args=[holder, 0])


async def read(store: Store) -> State:
    """Read what was told."""
    data = await store.redis.get(keys.NOTICES)
    try:
        return State() if data is None else _STATE.decode(data)
    except msgspec.DecodeError:
        return State()  # what nobody can read must not keep the rest from being told


async def save(store: Store, holder: str, state: State) -> bool:
    """Write what was told; False, with nothing written, to whoever does not hold the lease."""
    if not await lead(store, holder):
        return False
    await write(store, state)
    return True


async def write(store: Store, state: State) -> None:
    """Write what was told."""
    await store.redis.set(keys.NOTICES, _ENCODE(state))
