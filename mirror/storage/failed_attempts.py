"""Failed attempts: bodies that were sent once without being acknowledged, and when.

The service answered 503, or the sender had hung up before its 200 was written. Either way the same bytes will come
again, late. The time of their first attempt then tells where they belong.
"""

import hashlib
from collections.abc import Mapping, Sequence

from mirror.storage import keys
from mirror.storage.store import Store


def digest(body: bytes) -> str:
    """Name a body: equal bytes, and only they, have one name."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()


async def record(store: Store, attempts: Mapping[str, int], ttl: int) -> None:
    """Remember for `ttl` milliseconds when bodies, by their digests, were first sent (ms since 1970 UTC).

    No more than the newest `keys.OFFERED_KEPT` are remembered.
    """
    if not attempts:
        return
    async with store.redis.pipeline(transaction=False) as pipe:
        for name, first_attempt_at in attempts.items():
            pipe.set(keys.OFFERED_PREFIX + name, first_attempt_at, px=ttl, nx=True)
        pipe.set(keys.OFFERS, 1, px=ttl)
        pipe.zadd(
            keys.OFFERED_INDEX, {name: first_attempt_at + ttl for name, first_attempt_at in attempts.items()}, nx=True
        )
        pipe.zremrangebyscore(keys.OFFERED_INDEX, "-inf", min(attempts.values()))
        pipe.pexpire(keys.OFFERED_INDEX, ttl)
        pipe.zcard(keys.OFFERED_INDEX)
        *_, known = await pipe.execute()
    if known > keys.OFFERED_KEPT:
        await _forget(store, known - keys.OFFERED_KEPT)


async def _forget(store: Store, count: int) -> None:
    oldest = await store.redis.zpopmin(keys.OFFERED_INDEX, count)
    await store.redis.delete(*(keys.OFFERED_PREFIX + name.decode() for name, _ in oldest))


async def any_recorded(store: Store) -> bool:
    """Tell whether there may be any failed attempt: mostly there is none."""
    return bool(await store.redis.exists(keys.OFFERS))


async def first_attempts(store: Store, digests: Sequence[str]) -> list[int | None]:
    """Return when each body was first sent without being acknowledged; None: never, or long ago."""
    if not digests:
        return []
    found = await store.redis.mget([keys.OFFERED_PREFIX + name for name in digests])
    return [None if value is None else int(value) for value in found]
