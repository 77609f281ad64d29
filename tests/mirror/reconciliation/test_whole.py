"""A population lives, many of its events never arrive, and afterwards the mirror shows what is true all the same."""

import pytest

from mirror.domain.lifecycle import Status
from mirror.storage.store import Store
from tests.mirror.reconciliation.support import StartPartoo, accept, counted, drain, record
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
