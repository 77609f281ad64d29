"""The made-up incident of the screenshots."""

import pytest

from mirror.storage import incidents, ratings
from mirror.storage.store import Store
from tools.dev.incident import RETURNING, SHOP, VANISHING, fill


@pytest.mark.usefixtures("worker")
async def test_an_incident_is_open_of_which_some_are_back(store: Store) -> None:
    await fill(store)
    (incident,) = await incidents.open_incidents(store)
    assert incident.of == {"business_id": SHOP}
    assert (incident.absences, incident.returned) == (VANISHING, RETURNING)
    assert await ratings.size(store, SHOP) > VANISHING
