"""Since when Partoo's API refuses the key, for the whole fleet."""

from mirror.storage import keys
from mirror.storage.store import Store


async def note(store: Store) -> None:
    """Remember that the key was refused now; the first of several in a row counts."""
    now = await store.now()
    async with store.redis.pipeline(transaction=True) as pipe:
        pipe.set(keys.API_REFUSED, now, nx=True)
        pipe.pexpire(keys.API_REFUSED, keys.API_REFUSED_MS)
        await pipe.execute()


async def clear(store: Store) -> None:
    """Remember that the key is taken."""
    await store.redis.delete(keys.API_REFUSED)


async def since(store: Store) -> int:
    """Return since when the key is refused, in ms since 1970 UTC; 0: it is not, as far as is known."""
    return int(await store.redis.get(keys.API_REFUSED) or 0)
