"""A mirror, a Partoo to compare it with, and ears for what is told."""

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from mirror.clock import iso, now_ms
from mirror.domain.changes import Change, Source
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.record import DEFAULT_WINDOWS, Record
from mirror.partoo.api import PartooApi, Patience
from mirror.partoo.errors import ApiError
from mirror.partoo.limiter import Limiter
from mirror.reconciliation.judging import Verdict
from mirror.reconciliation.run import Reconciliation
from mirror.reconciliation.scope import EVERYTHING, Scope
from mirror.storage import inbox, reads
from mirror.storage.reconciliation import Position
from mirror.storage.store import Store
from tests.support import make_body, make_review
from tools.simulator.api import ApiOptions, FixedReviews, make_api
from worker.deciding import Policy
from worker.drain import Drainer

THIS = sys.modules[__name__]
RATE = 1_000_000
QUICK = Patience(timeout_s=0.3, attempts=4, first_wait_s=0.005)
# Longer ago than a search may lag, or omit what is new.
AGO_MS = 2 * 86_400_000

StartPartoo = Callable[..., Awaitable["Partoo"]]


def reviews(count: int, first: int = 1, business: str = "b1", **fields: Any) -> list[dict[str, Any]]:
    return [make_review(first + number, business_id=business, **fields) for number in range(count)]


class Clock:
    """The time as this package sees it, which goes on by itself and by `later`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._passed_ms = 0
        monkeypatch.setattr(THIS, "now_ms", self.now_ms)

        async def now(_store: Store) -> int:
            return self.now_ms()

        monkeypatch.setattr(Store, "now", now)

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self._passed_ms

    def later(self, ms: int) -> None:
        self._passed_ms += ms

    def iso(self, ms: int) -> str:
        """Write the moment so long after now."""
        return iso(self.now_ms() + ms)


class Ears:
    """A listener that remembers what it heard."""

    def __init__(self) -> None:
        self.found: list[Verdict] = []
        self.failures: list[str] = []
        self.unreadable: list[tuple[int, int]] = []
        self.resumed: list[tuple[str, int]] = []
        self.listings: list[tuple[str, int, int]] = []

    def on_resume(self, search: str, page: int) -> None:
        self.resumed.append((search, page))

    def on_listing(self, search: str, count: int, pages: int) -> None:
        self.listings.append((search, count, pages))

    def on_page(self, page: int, pages: int) -> None:
        assert page <= max(pages, 1)

    def on_absences(self, reviews: int, businesses: int) -> None:
        assert reviews >= businesses > 0

    def on_retry(self, error: ApiError) -> None:
        self.failures.append(str(error))

    def on_unreadable_items(self, page: int, items: int) -> None:
        self.unreadable.append((page, items))

    def on_finding(self, verdict: Verdict) -> None:
        self.found.append(verdict)

    def outcomes(self) -> dict[int, str]:
        return {verdict.review_id: verdict.outcome for verdict in self.found}


class Partoo:
    """The simulator's API over `source`, which a test sets; `on_request` is called before each answer."""

    def __init__(self, source: FixedReviews, options: ApiOptions) -> None:
        self.source = source
        self.app = make_api(source, options)
        self.app.middlewares.append(self._hear)
        self.queries: list[dict[str, str]] = []
        self.url = ""
        self.patience = QUICK
        self.on_request: Callable[[dict[str, str]], None] = lambda _query: None
        self.hangs_after: int | None = None
        self.odd_items: list[Any] = []
        self.windows = DEFAULT_WINDOWS

    @web.middleware
    async def _hear(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        query = dict(request.query)
        self.queries.append(query)
        self.on_request(query)
        if self.hangs_after is not None and len(self.queries) > self.hangs_after:
            await asyncio.sleep(60)
        return self._with_odd_items(query, await handler(request))

    def _with_odd_items(self, query: dict[str, str], response: web.StreamResponse) -> web.StreamResponse:
        """Put `odd_items` before the reviews of the plain search."""
        if not self.odd_items or not isinstance(response, web.Response) or "state" in query:
            return response
        page = json.loads(response.text or "")
        page["count"] += len(self.odd_items)
        page["reviews"][:0] = self.odd_items if query["page"] == "1" else []
        return web.Response(text=json.dumps(page), content_type="application/json")

    async def reconcile(
        self,
        store: Store,
        ears: Ears | None = None,
        scope: Scope = EVERYTHING,
        **options: bool,
    ) -> Position:
        async with aiohttp.ClientSession() as session:
            api = PartooApi(session, self.url, "k", Limiter(store, RATE), self.patience)
            once = Reconciliation(store, api, ears or Ears(), self.windows, scope)
            return await once.run(**options)


async def accept(store: Store, *shown: dict[str, Any], ago_ms: int = AGO_MS) -> None:
    """Have webhooks about reviews accepted some time ago."""
    at = now_ms() - ago_ms
    entries = [
        (review["id"], Entry(make_delivery_id(at, random.getrandbits(48)), at, Source.WEBHOOK, make_body(review)))
        for review in shown
    ]
    await inbox.accept(store, entries)


async def drain(store: Store) -> None:
    assert await Drainer(store, Policy()).run()


async def mirrored(store: Store, *shown: dict[str, Any]) -> None:
    """Have a mirror show these reviews, deleted ones after they were live."""
    for review in shown:
        if review["state"] == "deleted":
            await accept(
                store, {name: value for name, value in review.items() if name != "delete_date"} | {"state": "x"}
            )
    await accept(store, *shown)
    await drain(store)


async def record(store: Store, review_id: int) -> Record:
    found = await reads.record(store, review_id)
    assert found is not None, f"review {review_id} is not mirrored"
    return found


async def last_change(store: Store, review_id: int) -> Change:
    return (await reads.changes_page(store, review_id, None, 1))[-1]


async def everything(store: Store) -> dict[bytes, Any]:
    """Give all that Redis holds, but for what says how often Partoo may be asked."""
    found: dict[bytes, Any] = {}
    async for key in store.redis.scan_iter():
        if not key.startswith(b"rm:api:"):
            found[key] = await store.redis.dump(key)
    return found


def counted(position: Position) -> dict[str, int]:
    return {outcome: count for outcome, count in position.counts.items() if count}


def copy(review: dict[str, Any], **fields: Any) -> dict[str, Any]:
    same: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(review))
    return same | fields
