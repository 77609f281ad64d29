"""What the fleet counts, in one hash."""

import re
from collections.abc import Mapping

from mirror.storage import keys
from mirror.storage.store import Store

_COUNT = re.compile(rb"-?[0-9]{1,19}")


async def add(store: Store, counts: Mapping[str, int]) -> None:
    """Add to counters; what stands in the place of one and is no count is left alone, and the others are added to.

    Raises StorageUnavailableError, and has added to none then, or to all.
    """
    async with store.redis.pipeline(transaction=True) as pipe:
        for name, count in counts.items():
            pipe.hincrby(keys.COUNTERS, name, count)
        await pipe.execute(raise_on_error=False)


async def read(store: Store) -> dict[str, int]:
    """Read all counters."""
    counts = await store.redis.execute_command("HGETALL", keys.COUNTERS)
    # Whatever else than a count stands there, the others are shown.
    return {name.decode(errors="replace"): int(count) for name, count in counts.items() if _COUNT.fullmatch(count)}
