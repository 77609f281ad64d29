"""Records that could not be read: a worker has set their bytes aside, for whoever mends them."""

import msgspec

from mirror.storage import keys, reads
from mirror.storage.store import Store


async def reviews(store: Store) -> list[int]:
    """Name the reviews that were set aside and whose record still cannot be read.

    Raises one of `connection.UNAVAILABLE`.
    """
    ids = sorted(int(review_id) for review_id in await store.redis.execute_command("HKEYS", keys.CORRUPT))
    if not ids:
        return []
    records = await store.redis.mget([keys.record(review_id) for review_id in ids])
    return [review_id for review_id, data in zip(ids, records, strict=True) if data is not None and not _readable(data)]


def _readable(data: bytes) -> bool:
    try:
        reads.decode_record(data)
    except msgspec.DecodeError:
        return False
    return True
