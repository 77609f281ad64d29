"""A mirror whose time is the test's: deliveries are received, applied and watched over at given moments."""

import itertools
from typing import Any

import pytest

from mirror.domain.changes import Change, Source
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.incidents import Thresholds
from mirror.domain.lifecycle import Status
from mirror.domain.record import Record, Windows
from mirror.storage import absences, inbox, keys, reads
from mirror.storage.inbox_entries import decode_entry
from mirror.storage.store import Store
from tests.support import make_body, make_deletion, make_review
from worker import watch
from worker.deciding import Policy
from worker.drain import Drainer
from worker.jobs import PARTS, Parts
from worker.silence import SilenceWatch

# 12 September 2025, 08:00:00 UTC
START = 1_757_664_000_000
SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
GRACE = 7 * DAY

_numbers = itertools.count(1)


class Mirror:
    """`now` is the time by which everything is dated."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch, thresholds: Thresholds) -> None:
        self.store = store
        self.now = START
        self.drainer = Drainer(store, Policy(windows=Windows(grace=GRACE), thresholds=thresholds))
        monkeypatch.setattr(store, "now", self._time)

    async def _time(self) -> int:
        return self.now

    async def receive(self, *reviews: dict[str, Any]) -> None:
        """Accept deliveries at this moment; nobody applies them yet."""
        await inbox.accept(
            self.store,
            [
                (one["id"], Entry(make_delivery_id(self.now, next(_numbers)), self.now, Source.WEBHOOK, make_body(one)))
                for one in reviews
            ],
        )

    async def show(self, *ids: int, **fields: Any) -> None:
        await self.receive(*(make_review(review_id, **fields) for review_id in ids))
        assert await self.drainer.run()

    async def vanish(self, *ids: int, **fields: Any) -> None:
        """Delete reviews, each time with a delete_date of its own."""
        date = f"2025-09-12T00:00:00.{next(_numbers):06d}Z"
        await self.receive(*(make_deletion(make_review(review_id, **fields), date) for review_id in ids))
        assert await self.drainer.run()

    async def watch(self) -> None:
        await watch.watch(self.store, self.drainer, GRACE)

    async def later(self, milliseconds: int) -> None:
        """Let time pass, and the worker watch at its end."""
        self.now += milliseconds
        await self.watch()

    async def record(self, review_id: int = 34) -> Record:
        record = await reads.record(self.store, review_id)
        assert record is not None
        return record

    async def statuses(self, *ids: int) -> list[Status]:
        return [(await self.record(review_id)).status for review_id in ids]

    async def changes(self, review_id: int = 34) -> list[Change]:
        found = await reads.record_and_changes(self.store, review_id)
        return [] if found is None else found[1]

    async def kinds(self, review_id: int = 34) -> list[str]:
        return [str(change.kind) for change in await self.changes(review_id)]

    async def inbox(self, review_id: int = 34) -> list[Entry]:
        return [
            decode_entry(data)
            for data in await self.store.redis.execute_command("LRANGE", keys.inbox(review_id), 0, -1)
        ]

    async def put_checks(self) -> int:
        return await absences.put_checks(self.store, self.now, GRACE)


def job_context(store: Store, drainer: Drainer | None = None, *, grace: int = 0, retention: int = 0) -> dict[str, Any]:
    """Make what arq hands to a job."""
    parts = Parts(
        store=store,
        drainer=drainer or Drainer(store, Policy()),
        silence=SilenceWatch(store, None, None),
        grace=grace,
        history_retention=retention,
    )
    return {"job_id": "a-job", PARTS: parts}
