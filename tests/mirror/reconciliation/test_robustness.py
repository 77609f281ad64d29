"""A Partoo that limits, fails, hangs and cuts off, and runs that are interrupted: nothing wrong is applied."""

import asyncio
import time
from contextlib import suppress

import pytest
from aiohttp import web

from mirror.partoo.api import Patience
from mirror.partoo.errors import ApiError, ApiRefusedError, ApiUnavailableError
from mirror.reconciliation import absences
from mirror.stopping import cancel_and_wait
from mirror.storage import keys, reconciliation
from mirror.storage.reconciliation import BusyError
from mirror.storage.store import Store
from tests.mirror.reconciliation.support import (
    Ears,
    Partoo,
    StartPartoo,
    copy,
    counted,
    drain,
    everything,
    mirrored,
    record,
    reviews,
)
from tests.support import make_deletion, wait_until

HURRIED = Patience(timeout_s=0.1, attempts=2, first_wait_s=0.001)


@pytest.mark.parametrize("fault", ["failing", "truncated", "hanging"])
async def test_what_fails_now_and_then_is_asked_again_until_it_is_all_read(
    store: Store, start_partoo: StartPartoo, fault: str
) -> None:
    there = reviews(200)
    await mirrored(store, *there[:195])
    partoo = await start_partoo(*there, make_deletion(reviews(1, 400)[0]), **{fault: 0.3}, hang_s=0.1)
    partoo.patience = Patience(timeout_s=0.05, attempts=12, first_wait_s=0.001, longest_wait_s=0.01)
    ears = Ears()
    assert counted(await partoo.reconcile(store, ears)) == {"same": 195, "first_seen": 6}
    assert ears.failures


@pytest.mark.parametrize("fault", ["failing", "truncated", "hanging"])
async def test_what_always_fails_applies_nothing(store: Store, start_partoo: StartPartoo, fault: str) -> None:
    there = reviews(35)
    await mirrored(store, *there)
    partoo = await start_partoo(*there, **{fault: 1.0}, hang_s=0.2)
    partoo.patience = HURRIED
    # A page that always holds half of what it says ends the run too, but with nothing proven.
    with suppress(ApiUnavailableError):
        position = await partoo.reconcile(store)
        assert "vanished" not in position.counts
    await drain(store)
    for review in there:
        assert (await record(store, review["id"])).review == review


async def test_a_429_holds_the_fleet_back_for_as_long_as_partoo_says(store: Store, start_partoo: StartPartoo) -> None:
    partoo = await start_partoo(*reviews(20), too_many=0.5, seed=2)
    partoo.patience = Patience(attempts=20)
    started = time.monotonic()
    ears = Ears()
    assert counted(await partoo.reconcile(store, ears)) == {"first_seen": 20}
    assert len(ears.failures) >= 1
    assert time.monotonic() - started >= len(ears.failures)


async def test_a_key_that_is_refused_ends_it_at_once(store: Store, start_partoo: StartPartoo) -> None:
    partoo = await start_partoo(*reviews(2), key="another")
    with pytest.raises(ApiRefusedError, match="403: check PARTOO_API_KEY"):
        await partoo.reconcile(store)
    assert len(partoo.queries) == 1


@pytest.mark.parametrize("status", [400, 404])
async def test_a_page_that_is_refused_because_the_listing_has_shrunk_is_its_end(
    store: Store, start_partoo: StartPartoo, status: int
) -> None:
    there = reviews(65)
    await mirrored(store, *there)
    partoo = await start_partoo(*there)

    def refuse(query: dict[str, str]) -> None:
        if query["page"] == "3":
            raise web.HTTPNotFound if status == 404 else web.HTTPBadRequest

    partoo.on_request = refuse
    ears = Ears()
    position = await partoo.reconcile(store, ears)
    assert counted(position) == {"same": 60, "absent": 5}
    assert {verdict.reason for verdict in ears.found} == {absences.SHIFTED}
    assert position.passed_over == 5


async def test_a_position_of_another_release_is_not_gone_on_with(store: Store, start_partoo: StartPartoo) -> None:
    await store.redis.set(keys.reconciliation("all"), b'{"started_at":1,"chapter":7}')
    ears = Ears()
    assert counted(await (await start_partoo(*reviews(2))).reconcile(store, ears)) == {"first_seen": 2}
    assert ears.resumed == []


async def interrupted(store: Store, partoo: Partoo, pages: int) -> None:
    """Run until so many pages are read and the next is asked for, as if a signal came then."""
    partoo.hangs_after = pages

    async def hangs() -> bool:
        return len(partoo.queries) > pages

    task = asyncio.create_task(partoo.reconcile(store))
    await wait_until(hangs)
    await cancel_and_wait(task)
    assert task.cancelled()
    partoo.hangs_after = None


# Six pages of listings, then the business of the absent review twice.
@pytest.mark.parametrize(
    ("pages", "resumed", "asked"),
    [
        (1, ("plain", 1), 6 + 2 * 6),
        (3, ("plain", 3), 4 + 2 * 6),
        (4, ("state=deleted", 1), 2 + 2 * 6),
        (5, ("state=deleted", 1), 2 + 2 * 6),
        (8, ("absences", 1), 2 * 6),
    ],
)
async def test_an_interrupted_run_is_gone_on_with(
    store: Store, start_partoo: StartPartoo, pages: int, resumed: tuple[str, int], asked: int
) -> None:
    there = reviews(100)
    deleted = [make_deletion(review) for review in reviews(40, 500)]
    await mirrored(store, *there[:90], *reviews(1, 900))
    partoo = await start_partoo(*there, *deleted)
    await interrupted(store, partoo, pages)
    before = len(partoo.queries)
    ears = Ears()
    position = await partoo.reconcile(store, ears)
    assert counted(position) == {"same": 90, "first_seen": 50, "absent": 1}
    assert ears.resumed == [resumed]
    assert len(partoo.queries) - before == asked
    assert [key for key in await everything(store) if key.startswith(b"rm:reconciliation")] == []


async def test_what_a_killed_run_put_into_the_inboxes_and_did_not_note_does_no_harm_twice(
    store: Store, start_partoo: StartPartoo
) -> None:
    partoo = await start_partoo(*reviews(40))
    await interrupted(store, partoo, 1)
    # As if it had died after accepting, before noting the page.
    await reconciliation.clear(store, "all", 2)
    assert counted(await partoo.reconcile(store)) == {"first_seen": 40}
    await drain(store)
    assert (await record(store, 40)).version == 1


async def test_restart_begins_anew(store: Store, start_partoo: StartPartoo) -> None:
    partoo = await start_partoo(*reviews(70))
    await interrupted(store, partoo, 2)
    await drain(store)
    ears = Ears()
    position = await partoo.reconcile(store, ears, restart=True)
    assert ears.resumed == []
    assert counted(position) == {"same": 60, "first_seen": 10}


async def test_giving_up_keeps_the_place(store: Store, start_partoo: StartPartoo) -> None:
    partoo = await start_partoo(*reviews(70))
    partoo.patience = HURRIED
    healthy = partoo.url

    def break_down(query: dict[str, str]) -> None:
        if query["page"] == "3":
            raise RuntimeError("as it was told to")

    partoo.on_request = break_down
    with pytest.raises(ApiError, match="500"):
        await partoo.reconcile(store)
    partoo.on_request = lambda _query: None
    assert partoo.url == healthy
    ears = Ears()
    assert counted(await partoo.reconcile(store, ears)) == {"first_seen": 70}
    assert ears.resumed == [("plain", 2)]


async def test_only_one_runs_at_a_time_in_the_fleet(store: Store, start_partoo: StartPartoo) -> None:
    partoo = await start_partoo(*reviews(1))
    async with reconciliation.alone(store):
        with pytest.raises(BusyError):
            await partoo.reconcile(store)
        assert counted(await partoo.reconcile(store, dry_run=True)) == {"first_seen": 1}
    assert counted(await partoo.reconcile(store)) == {"first_seen": 1}


async def test_the_hold_is_renewed_while_it_is_held_and_given_up_after(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "RECONCILIATION_HOLD_MS", 90)
    async with reconciliation.alone(store):
        await asyncio.sleep(0.3)
        with pytest.raises(BusyError):
            async with reconciliation.alone(store):
                pass
    assert not await store.redis.exists(keys.RECONCILIATION_HOLD)


async def test_reviews_that_change_while_they_are_read_end_up_as_they_are(
    store: Store, start_partoo: StartPartoo
) -> None:
    there = reviews(95)
    await mirrored(store, *there)
    partoo = await start_partoo(*there)
    edits = iter(range(100))

    def live_on(_query: dict[str, str]) -> None:
        number = next(edits)
        if number < 20:
            partoo.source.put(copy(there[number * 3], rating=1, update_date=f"2025-10-01T00:00:{number:02d}+00:00"))

    partoo.on_request = live_on
    position = await partoo.reconcile(store)
    assert "vanished" not in position.counts
    await drain(store)
    truth = {review["id"]: review for review in partoo.source.reviews()}
    for review in there:
        found = await record(store, review["id"])
        assert found.review in (review, truth[review["id"]])
        assert found.status == "live"


async def test_a_page_that_is_refused_only_once_does_not_end_the_listing(
    store: Store, start_partoo: StartPartoo
) -> None:
    partoo = await start_partoo(*reviews(90))
    glitches = iter(["2"])

    def refuse_once(query: dict[str, str]) -> None:
        if query["page"] == "2" and next(glitches, None):
            raise web.HTTPNotFound

    partoo.on_request = refuse_once
    ears = Ears()
    position = await partoo.reconcile(store, ears)
    assert counted(position) == {"first_seen": 90}
    assert len(ears.failures) == 1
