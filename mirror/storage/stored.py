"""What Redis holds of one review, as it stands there: for whoever wants to see it, compressed as it is."""

import msgspec

from mirror.storage import keys
from mirror.storage.frames import decompress_or_same
from mirror.storage.inbox_entries import plain_entry
from mirror.storage.store import Store


class Value(msgspec.Struct, frozen=True):
    """One value, without compression; `stored_bytes` is how long it is in Redis."""

    stored_bytes: int
    plain: bytes


class Held(msgspec.Struct, frozen=True):
    """A key of a review with its values, the oldest first; `problem` is Redis's error where it cannot be read."""

    key: str
    values: list[Value]
    problem: str | None = None

    @property
    def stored_bytes(self) -> int:
        return sum(value.stored_bytes for value in self.values)

    @property
    def plain_bytes(self) -> int:
        return sum(len(value.plain) for value in self.values)


async def read(store: Store, review_id: int) -> list[Held]:
    """Read all keys of a review that are there."""
    record = keys.record(review_id)
    lists = [keys.changes(review_id), keys.deliveries(review_id), keys.inbox(review_id)]
    async with store.redis.pipeline(transaction=True) as pipe:
        pipe.get(record)
        for name in lists:
            pipe.lrange(name, 0, -1)
        found = await pipe.execute(raise_on_error=False)
    plain = {record: decompress_or_same, keys.changes(review_id): decompress_or_same}
    held = []
    for name, answer in zip([record, *lists], found, strict=True):
        if isinstance(answer, Exception):
            held.append(Held(name, [], str(answer)))
            continue
        values = [answer] if isinstance(answer, bytes) else answer or []
        if values:
            held.append(Held(name, [Value(len(one), plain.get(name, plain_entry)(one)) for one in values]))
    return held
