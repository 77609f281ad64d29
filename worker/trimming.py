"""The daily job that trims histories to HISTORY_RETENTION, in slices that make room for arq's other jobs."""

import time
from typing import Any

import structlog

from mirror.clock import now_ms
from mirror.domain.record import CorruptError
from mirror.storage import trimming
from mirror.storage.store import Store
from worker.context import begin

MAX_RUN_S = 5.0

log = structlog.get_logger()


async def trim_histories(ctx: dict[str, Any], cursor: int = 0) -> None:
    """Trim histories from a cursor on; what is left after MAX_RUN_S is for another job.

    A lost one is made up for the next day.
    """
    begin(ctx, "trim_histories")
    retention: int = ctx["history_retention"]
    store: Store = ctx["store"]
    if not retention:
        return
    horizon = now_ms() - retention
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
    if cursor:
        await store.redis.enqueue_job("trim_histories", cursor)


async def _trim(store: Store, review_id: int, horizon: int) -> int:
    try:
        return await trimming.trim(store, review_id, horizon)
    except CorruptError as error:
        # No code of ours failed.
        log.error("history.trim_failed", review_id=review_id, reason=error.problem)  # noqa: TRY400
        return 0
