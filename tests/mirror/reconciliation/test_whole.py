"""A population lives, many of its events never arrive, and afterwards the mirror shows what is true all the same."""

import pytest

from mirror.domain.lifecycle import Status
from mirror.storage.store import Store
from tests.mirror.reconciliation.support import StartPartoo, accept, counted, drain, mirrored, record, reviews
from tools.simulator.api.options import Link
from tools.simulator.chance import chance
from tools.simulator.population import Population, Truth, life

POPULATION = Population(reviews=90, businesses=3, days=40.0, changes_per_day=0.05, absences_per_day=0.02)


@pytest.mark.parametrize(
    ("seed", "options"), [(1, {}), (2, {"deleted_in_search": True}), (3, {"deleted_findable": False})]
)
async def test_whatever_never_arrived_is_found(
    store: Store, start_partoo: StartPartoo, seed: int, options: dict[str, bool]
) -> None:
    events = list(life(seed, POPULATION))
    dice = chance(seed, "arrives")
    arrived = [event for event in events if dice.random() < 0.6]
    await accept(store, *(dict(event.payload) for event in arrived))
    await drain(store)
    truth = {review_id: dict(review) for review_id, review in Truth(events).reviews()}
    partoo = await start_partoo(*truth.values(), **options)
    missed = {event.review_id for event in events} - {event.review_id for event in arrived}
    counts = counted(await partoo.reconcile(store))
    await drain(store)
    hidden = {one for one, review in truth.items() if review["state"] == "deleted" and seed == 3}
    for review_id in truth.keys() - hidden:
        assert (await record(store, review_id)).review == truth[review_id]
    for review_id in hidden - missed:
        assert (await record(store, review_id)).status is Status.MISSING
    assert counts["first_seen"] == len(missed - hidden)
    assert {"updated", "vanished", "reappeared"} <= counts.keys()
    again = counted(await partoo.reconcile(store))
    assert set(again) == {"same"}


async def test_an_api_that_writes_otherwise_and_shows_odd_items_sets_nothing_back(
    store: Store, start_partoo: StartPartoo
) -> None:
    """By the simulator's own idea of such an API: mixed notation, fields of its own, items that cannot be read."""
    there = [
        *reviews(
            60, tags=[{"id": 2, "label": "b"}, {"id": 1, "label": "a"}], media_links=["https://example.org/1.jpg"]
        ),
        *reviews(10, first=500, partner="facebook"),
    ]
    await mirrored(store, *there)
    partoo = await start_partoo(
        *there,
        mixed_notation=True,
        added_fields=("sentiment",),
        omitted_fields=frozenset({"key", "link"}),
        media_on_request=True,
        disconnected=frozenset({Link("facebook", "b1")}),
        unreadable=0.3,
        seed=5,
    )
    for _evening in range(3):
        counts = counted(await partoo.reconcile(store))
        await drain(store)
        assert set(counts) <= {"same", "absent", "unreadable"}
        assert counts["absent"] >= 10
    for review in there:
        found = await record(store, review["id"])
        assert (found.review, found.version, found.status) == (review, 1, Status.LIVE)
