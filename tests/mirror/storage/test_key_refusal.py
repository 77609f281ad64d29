"""Since when Partoo refuses the key: the first refusal counts, until the key is taken."""

import pytest

from mirror.storage import key_refusal, keys
from mirror.storage.store import Store


async def test_the_first_of_several_refusals_counts_until_the_key_is_taken(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([1_000, 2_000, 3_000])

    async def now() -> int:
        return next(times)

    monkeypatch.setattr(store, "now", now)
    assert await key_refusal.since(store) == 0
    for _ in range(2):
        await key_refusal.note(store)
    assert await key_refusal.since(store) == 1_000
    assert 0 < await store.redis.pttl(keys.API_REFUSED) <= keys.API_REFUSED_MS
    await key_refusal.clear(store)
    assert await key_refusal.since(store) == 0
    await key_refusal.note(store)
    assert await key_refusal.since(store) == 3_000
