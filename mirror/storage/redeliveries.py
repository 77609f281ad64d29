"""Redeliveries to expect: bodies that were offered once, and whose acknowledgement Partoo has not got.

It was answered with 503, or had hung up before the 200 could be written; so the same bytes will come again, late. When
they do, the time at which they were first offered tells where they belong.
"""

import hashlib
from collections.abc import Mapping, Sequence

from mirror.storage import keys
from mirror.storage.store import Store


def digest(body: bytes) -> str:
    """Name a body: equal bytes, and only they, have one name."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()


async def expect(store: Store, offers: Mapping[str, int], ttl: int) -> None:
    """Remember for `ttl` milliseconds when bodies, by their digests, were first offered (ms since 1970 UTC).

    No more than the newest `keys.OFFERED_KEPT` are remembered. Raises one of `connection.UNAVAILABLE`.
    """
    if not offers:
        return
    async with store.redis.pipeline(transaction=False) as pipe:
        for name, first_attempt_at in offers.items():
            pipe.set(keys.OFFERED_PREFIX + name, first_attempt_at, px=ttl, nx=True)
        pipe.set(keys.OFFERS, 1, px=ttl)
        pipe.zadd(
            keys.OFFERED_INDEX, {name: first_attempt_at + ttl for name, first_attempt_at in offers.items()}, nx=True
        )
        pipe.zremrangebyscore(keys.OFFERED_INDEX, "-inf", min(offers.values()))
        pipe.pexpire(keys.OFFERED_INDEX, ttl)
        pipe.zcard(keys.OFFERED_INDEX)
        *_, known = await pipe.execute()
    if known > keys.OFFERED_KEPT:
        await _forget(store, known - keys.OFFERED_KEPT)


async def _forget(store: Store, count: int) -> None:
    oldest = await store.redis.zpopmin(keys.OFFERED_INDEX, count)
    await store.redis.delete(*(keys.OFFERED_PREFIX + name.decode() for name, _ in oldest))


async def any_expected(store: Store) -> bool:
    """Tell whether any redelivery may be expected: mostly none is. Raises one of `connection.UNAVAILABLE`."""
    return bool(await store.redis.exists(keys.OFFERS))


async def offered(store: Store, digests: Sequence[str]) -> list[int | None]:
    """Tell of each body when it was first offered without being acknowledged; None: it was not, or long ago.

    Raises one of `connection.UNAVAILABLE`.
    """
    if not digests:
        return []
    found = await store.redis.mget([keys.OFFERED_PREFIX + name for name in digests])
    return [None if value is None else int(value) for value in found]
