"""Dead letters in Redis."""

import msgspec

from mirror.domain.dead_letters import DeadLetter
from mirror.storage import keys
from mirror.storage.store import Store


async def keep(store: Store, letter: DeadLetter) -> None:
    """Keep a dead letter under its delivery id. Raises one of `connection.UNAVAILABLE`."""
    await store.redis.execute_command("HSET", keys.DEAD_LETTERS, letter.delivery_id, msgspec.json.encode(letter))


async def count(store: Store) -> int:
    """Count the dead letters. Raises one of `connection.UNAVAILABLE`."""
    return int(await store.redis.execute_command("HLEN", keys.DEAD_LETTERS))
