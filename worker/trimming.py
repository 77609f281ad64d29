"""Trims histories: once a day for HISTORY_RETENTION, in slices, and at once what has become too long."""

import time

import structlog

from mirror.domain.record import CorruptError
from mirror.domain.settling import Settled
from mirror.domain.trimming import needs_trimming
from mirror.storage import trimming
from mirror.storage.store import Store

MAX_RUN_S = 5.0

log = structlog.get_logger()


async def trim_some(store: Store, retention: int, cursor: int) -> int:
    """Trim histories from a cursor on, for at most MAX_RUN_S; return the cursor to go on from, 0 at the end.

    `retention`: for how long changes are kept, in milliseconds; 0: they are never too old.
    """
    horizon = await store.now() - retention if retention else 0
    deadline = time.monotonic() + MAX_RUN_S
    reviews = changes = 0
    while True:
        ids, cursor = await trimming.candidates(store, cursor, horizon)
        for review_id in ids:
            trimmed = await _trim(store, review_id, horizon)
            reviews += trimmed > 0
            changes += trimmed
        if cursor == 0 or time.monotonic() > deadline:
            break
    log.info("history.trimmed", reviews=reviews, changes=changes, done=cursor == 0)
    return cursor


async def shorten(store: Store, review_id: int, settled: Settled) -> None:
    """Trim the history of a review that was just committed, if it may have become too long."""
    before, after = settled.before, settled.record
    if after is None or not needs_trimming(0 if before is None else before.version, after.version):
        return
    changes = await _trim(store, review_id, 0)
    if changes:
        log.info("history.shortened", review_id=review_id, changes=changes)


async def _trim(store: Store, review_id: int, horizon: int) -> int:
    try:
        return await trimming.trim(store, review_id, horizon)
    except CorruptError as error:
        # No code of ours failed.
        log.error("history.trim_failed", review_id=review_id, reason=error.problem)  # noqa: TRY400
        return 0
