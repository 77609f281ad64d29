"""Trimming the beginnings of histories in Redis."""

from functools import partial

import msgspec

from mirror.domain.record import CorruptError
from mirror.domain.trimming import MAX_CHANGES, TRIM_STEP, CutFinder
from mirror.storage import histories, keys
from mirror.storage.decoding import decode_changes, reading
from mirror.storage.frames import compress
from mirror.storage.store import Store

SCAN_STEP = 500


async def candidates(store: Store, cursor: int, horizon: int) -> tuple[list[int], int]:
    """Find, from a cursor on, reviews whose history is too long, or has more than one entry older than `horizon`.

    `horizon` is in ms since 1970 UTC; 0: none is too old. Gives them with the next cursor, which is 0 at the end.
    """
    pattern = f"{keys.REVIEW_PREFIX}*{keys.CHANGES_SUFFIX}"
    cursor, names = await store.redis.scan(cursor, match=pattern, count=SCAN_STEP)
    async with store.redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.llen(name)
            pipe.lindex(name, 1)
        answers = await pipe.execute(raise_on_error=False)
    found = []
    for name, length, second in zip(names, answers[::2], answers[1::2], strict=True):
        review_id = keys.review_of(name.decode())
        too_long = isinstance(length, int) and length > MAX_CHANGES
        if too_long or (second is not None and _is_older(review_id, second, horizon)):
            found.append(review_id)
    return found, cursor


def _is_older(review_id: int, entry: bytes | Exception, horizon: int) -> bool:
    """Tell whether an entry is older; one that cannot be read counts as such, as `trim` says what is wrong with it."""
    if not horizon:
        return False
    try:
        return isinstance(entry, Exception) or decode_changes(review_id, [entry])[0].received_at < horizon
    except CorruptError:
        return True


async def trim(store: Store, review_id: int, horizon: int) -> int:
    """Trim a review's history, and tell how many of its entries went.

    Raises CorruptError if what is stored of it cannot be read.
    """
    most = MAX_CHANGES - TRIM_STEP
    found = await histories.walk(store, review_id, partial(CutFinder, horizon=horizon, most=most))
    marker = None if found is None else found[1].marker
    if marker is None:
        return 0
    name = keys.changes(review_id)
    with reading(review_id):
        oldest = await store.redis.execute_command("LINDEX", name, 0)
        at = marker.version - decode_changes(review_id, [oldest or b""])[0].version
        entry = await store.redis.execute_command("LINDEX", name, at)
    if entry is None or decode_changes(review_id, [entry])[0].version != marker.version:
        return 0  # trimmed or rebuilt meanwhile
    args = [oldest, at, entry, compress(msgspec.json.encode(marker))]
    return at if await store.trim(keys=[name], args=args) else 0
