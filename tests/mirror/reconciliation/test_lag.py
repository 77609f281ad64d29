"""A search that is behind the webhooks: what a delivery has told is not set back, and the pass after it settles all."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from mirror.domain.lifecycle import Status
from mirror.domain.reading import MAX_LAG_MS
from mirror.partoo.api import PartooApi
from mirror.partoo.limiter import Limiter
from mirror.storage import keys, reads, verification
from mirror.storage.store import Store
from tests.mirror.reconciliation.support import (
    RATE,
    Clock,
    Ears,
    Partoo,
    StartPartoo,
    accept,
    copy,
    counted,
    mirrored,
    record,
    reviews,
)
from tests.support import make_deletion
from worker.deciding import Policy
from worker.drain import Drainer
from worker.verification import Verifier

SECOND = 1_000
HOUR = 3_600 * SECOND
NUMBER = 30
TAG = [{"id": 1, "label": "food", "color": "#808080"}]


class Worker:
    """The worker's code, without its process."""

    def __init__(self, store: Store, session: aiohttp.ClientSession, partoo: Partoo) -> None:
        api = PartooApi(session, partoo.url, "k", Limiter(store, RATE), partoo.patience)
        self.drainer = Drainer(store, Policy(verification_delay=10 * SECOND))
        self.verifier = Verifier(store, api, 10 * SECOND)

    async def drain(self) -> None:
        assert await self.drainer.run()

    async def verify(self) -> None:
        await self.verifier.run()
        await self.drain()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def told(before: dict[str, Any], number: int, now: str) -> dict[str, Any]:
    """Give what a webhook tells with the clock that the review had: a tag, a deletion, an edit, by turns."""
    changes: list[dict[str, Any]] = [
        copy(before, tags=TAG),
        make_deletion(before, now),
        copy(before, content="Edited, and Partoo's clock did not move"),
    ]
    return changes[number % 3]


async def changes(store: Store, review_id: int) -> list[tuple[str, str]]:
    found = await reads.changes_page(store, review_id, None, 100)
    return [(str(change.kind), str(change.source)) for change in found]


async def test_deliveries_just_before_a_run_are_not_set_back_and_their_questions_stay_open(
    store: Store, start_partoo: StartPartoo, session: aiohttp.ClientSession, clock: Clock
) -> None:
    before = reviews(NUMBER)
    await accept(store, *before, ago_ms=HOUR)
    # The search still shows all of them as they were.
    partoo = await start_partoo(*before)
    worker = Worker(store, session, partoo)
    now = [told(review, number, clock.iso(-4 * SECOND)) for number, review in enumerate(before)]
    await accept(store, *now, ago_ms=3 * SECOND)
    await worker.drain()
    asked = await verification.count(store)
    assert asked > 0

    ears = Ears()
    assert counted(await partoo.reconcile(store, ears)) == {"overtaken": NUMBER}
    await worker.drain()
    for review in now:
        assert (await record(store, review["id"])).review == review
    assert await verification.count(store) == NUMBER

    # Questions that are due while the search lags set nothing back either.
    clock.later(15 * SECOND)
    await worker.verify()
    for review in now:
        found = await record(store, review["id"])
        assert (found.review, found.version) == (review, 2)
    assert await verification.count(store) == NUMBER

    # Once the search has caught up, the next pass proves all of it and closes every question.
    for review in now:
        partoo.source.put(review)
    clock.later(MAX_LAG_MS)
    assert counted(await partoo.reconcile(store)) == {"same": NUMBER}
    await worker.drain()
    assert await verification.count(store) == 0
    for review in now:
        found = await record(store, review["id"])
        assert (found.review, str(found.certainty), found.version) == (review, "proven", 2)
        assert {source for _, source in await changes(store, review["id"])} == {"webhook"}


async def test_what_the_search_still_says_once_it_must_have_caught_up_is_taken(
    store: Store, start_partoo: StartPartoo, session: aiohttp.ClientSession, clock: Clock
) -> None:
    [before] = reviews(1)
    await mirrored(store, before)
    partoo = await start_partoo(before)
    worker = Worker(store, session, partoo)
    await accept(store, copy(before, tags=TAG), ago_ms=3 * SECOND)
    await worker.drain()
    await partoo.reconcile(store)
    await worker.drain()
    for _ in range(20):
        clock.later(60 * SECOND)
        await worker.verify()
    found = await record(store, 1)
    assert (found.review, str(found.certainty)) == (before, "proven")
    assert await verification.count(store) == 0


async def test_reviews_that_the_search_does_not_list_yet_stay_live_and_are_counted(
    store: Store, start_partoo: StartPartoo, session: aiohttp.ClientSession, clock: Clock
) -> None:
    old, new = reviews(5), reviews(10, first=100)
    await mirrored(store, *old)
    partoo = await start_partoo(*old)
    worker = Worker(store, session, partoo)
    await accept(store, *new, ago_ms=3 * SECOND)
    await worker.drain()
    ears = Ears()
    assert counted(await partoo.reconcile(store, ears)) == {"same": 5, "absent": 10}
    assert {verdict.reason for verdict in ears.found} == {
        "Partoo's search may omit what is new or changed within a day"
    }
    clock.later(HOUR)
    assert counted(await partoo.reconcile(store)) == {"same": 5, "absent": 10}
    await worker.drain()
    assert {(await record(store, review["id"])).status for review in new} == {Status.LIVE}
    assert {(await record(store, review["id"])).version for review in new} == {1}


async def test_a_second_look_is_taken_once_the_search_must_have_caught_up(
    store: Store, start_partoo: StartPartoo, session: aiohttp.ClientSession, clock: Clock
) -> None:
    [before] = reviews(1)
    await accept(store, before, ago_ms=HOUR)
    tagged = copy(before, tags=TAG)
    partoo = await start_partoo(tagged)
    worker = Worker(store, session, partoo)
    await accept(store, tagged, ago_ms=3 * SECOND)
    await worker.drain()
    clock.later(15 * SECOND)
    await worker.verify()
    # The answer proves the tag, but the search that gave it may lag behind something later.
    assert (await verification.count(store), await verification.count_second_looks(store)) == (0, 1)
    partoo.source.put(before)
    clock.later(MAX_LAG_MS)
    await worker.verify()
    assert (await record(store, 1)).review == before
    assert (await verification.count(store), await verification.count_second_looks(store)) == (0, 0)
    assert await store.redis.exists(keys.SECOND_LOOKS, keys.VERIFY, keys.VERIFY_FAILURES) == 0
