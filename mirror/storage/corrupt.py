"""Records that could not be read: a worker has set their bytes aside, for whoever mends them."""

from mirror.domain.record import CorruptError
from mirror.storage import keys
from mirror.storage.decoding import decode_record
from mirror.storage.store import Store


async def reviews(store: Store) -> list[int]:
    """Name the reviews that were set aside and whose record still cannot be read."""
    ids = sorted(int(review_id) for review_id in await store.redis.execute_command("HKEYS", keys.CORRUPT))
    if not ids:
        return []
    records = await store.redis.mget([keys.record(review_id) for review_id in ids])
    return [one for one, data in zip(ids, records, strict=True) if data is not None and not _readable(one, data)]


def _readable(review_id: int, data: bytes) -> bool:
    try:
        decode_record(review_id, data)
    except CorruptError:
        return False
    return True
