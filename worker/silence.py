"""The watch over silence: counts deliveries, and tells once when they stay away for too long, and once when it ends."""

import time

import structlog

from mirror.clock import iso
from mirror.domain.silence import Judgement, Reason, Standing, judge
from mirror.partoo.api import PartooApi, api_time
from mirror.partoo.errors import ApiError
from mirror.partoo.search import SEARCHES
from mirror.storage import silence
from mirror.storage.store import Store

# What changed at Partoo this shortly after the last delivery may have been told by it; and what changed this shortly
# before now may be on its way.
MARGIN_MS = 60_000
ON_ITS_WAY_MS = 600_000
# While it is silent, Partoo is asked again so often.
ASK_AGAIN_S = 600.0

log = structlog.get_logger()


class SilenceWatch:
    """Looks for one process. `after`: silent after so many ms instead of what is learned, never with 0."""

    def __init__(self, store: Store, api: PartooApi | None, after: int | None) -> None:
        self._store = store
        self._api = api
        self._after = after
        self._asked_at = 0.0  # monotonic, in seconds

    async def look(self) -> None:
        """Count, judge and tell, once."""
        now = await self._store.now()
        last = await silence.count(self._store, now)
        before = await silence.standing(self._store)
        judgement = judge(await silence.hours(self._store), last, now, self._after)
        await silence.note(self._store, judgement)
        if before.since is not None and judgement.silent_since != before.since:
            await self._end(before, now)
        elif before.since is not None:
            await self._ask_again(before, now)
        elif judgement.silent_since is not None:
            await self._begin(last, now, judgement)

    async def _begin(self, since: int, now: int, judgement: Judgement) -> None:
        reason = await self._ask(since, now)
        if await silence.begin(self._store, since, now, judgement, reason):
            usual = None if judgement.usual_gap is None else judgement.usual_gap / 1000
            tell = log.info if reason is Reason.QUIET else log.warning
            tell("silence.began", since=iso(since), reason=reason, usual_longest_gap_s=usual)

    async def _end(self, before: Standing, now: int) -> None:
        if await silence.end(self._store, before, now):
            lasted_s = (now - (before.since or now)) / 1000
            log.info("silence.ended", lasted_s=lasted_s, reason=before.reason)

    async def _ask_again(self, before: Standing, now: int) -> None:
        """Ask whether Partoo has moved by now, unless it is known to have."""
        if before.since is None or before.reason is Reason.DEAF or time.monotonic() - self._asked_at < ASK_AGAIN_S:
            return
        reason = await self._ask(before.since, now)
        if reason not in (before.reason, Reason.UNKNOWN):
            await silence.set_reason(self._store, reason)
            tell = log.info if reason is Reason.QUIET else log.warning
            tell("silence.explained", since=iso(before.since), reason=reason)

    async def _ask(self, since: int, now: int) -> Reason:
        """Ask Partoo whether any review was changed since the last delivery."""
        self._asked_at = time.monotonic()
        first, last = since + MARGIN_MS, now - ON_ITS_WAY_MS
        if self._api is None or last <= first:
            return Reason.UNKNOWN
        changed = {"update_date__gte": api_time(first * 1000), "update_date__lte": api_time(last * 1000)}
        try:
            for search in SEARCHES:
                if (await self._api.page({**changed, **search}, 1)).items:
                    return Reason.DEAF
        except ApiError as error:
            log.warning("silence.not_asked", error=str(error))
            return Reason.UNKNOWN
        return Reason.QUIET
