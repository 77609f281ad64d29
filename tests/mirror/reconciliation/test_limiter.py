"""The rate at which the fleet asks Partoo."""

import pytest

from mirror.partoo.limiter import BURST, MINUTE_MS, Limiter
from mirror.storage import keys
from mirror.storage.store import Store


@pytest.mark.parametrize("rate", [1, 7, 240, 299, 1_000_000])
async def test_every_rate_is_kept_whether_or_not_it_divides_a_minute(store: Store, rate: int) -> None:
    limiter = Limiter(store, rate)
    for _ in range(BURST):
        await limiter.wait_for_turn()
    ahead = await store.redis.pttl(keys.API_BUCKET) - 1000
    assert ahead == pytest.approx(BURST * MINUTE_MS / rate, abs=200)
