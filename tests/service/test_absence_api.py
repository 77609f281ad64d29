"""`/stats` and `/incidents`: what a deletion means."""

from typing import Any

import pytest

from mirror.domain.incidents import CloseReason
from mirror.storage import incidents, keys
from mirror.storage.store import Store
from tests.conftest import StartService
from tests.service.support import START, apply, error_of, read
from tests.support import READ, Client, make_body, make_deletion, make_review

HOUR = 3_600_000


def deletion(review_id: int, **fields: Any) -> bytes:
    return make_body(make_deletion(make_review(review_id, **fields)))


async def burst(store: Store, number: int, back: int = 0) -> None:
    """Let twenty reviews of a business vanish, and some of them come back an hour later."""
    of = {"business_id": f"b{number}", "partner": f"p{number}"}
    at = START + number * HOUR
    ids = range(100 * number, 100 * number + 20)
    await apply(store, *((one, at, deletion(one, **of)) for one in ids))
    await apply(store, *((one, at + HOUR, make_body(make_review(one, **of))) for one in ids[:back]))


async def test_the_overview_counts_all_each_partner_and_the_businesses_with_most(service: Client, store: Store) -> None:
    await apply(
        store,
        (1, START, deletion(1, business_id="b1")),
        (2, START, deletion(2, business_id="b2")),
        (3, START, deletion(3, business_id="b2", partner="facebook")),
        (3, START + HOUR, make_body(make_review(3, business_id="b2", partner="facebook"))),
    )
    none = {"p50": None, "p90": None, "p99": None}
    hour = dict.fromkeys(none, pytest.approx(3_600, rel=0.05))
    two = {"absences": 2, "returned": 0, "gone": 0, "going_on": 2, "returned_from_gone": 0, "returned_after_s": none}
    one = two | {"absences": 1, "going_on": 1}
    back = two | {"absences": 1, "returned": 1, "going_on": 0, "returned_after_s": hour}
    assert await read(service, "/stats") == {
        "overall": back | {"absences": 3, "going_on": 2},
        "by_partner": [{"partner": "facebook"} | back, {"partner": "google_my_business"} | two],
        "by_business": [
            {"business_id": "b2"} | back | {"absences": 2, "going_on": 1},
            {"business_id": "b1"} | one,
        ],
    }
    assert [one["business_id"] for one in (await read(service, "/stats", limit=1))["by_business"]] == ["b2"]
    assert await read(service, "/stats", business_id="b1") == {"business_id": "b1"} | one
    assert (await read(service, "/stats", business_id="unknown"))["absences"] == 0


async def test_an_empty_mirror_has_no_absences_and_no_incidents(service: Client) -> None:
    found = await read(service, "/stats")
    assert (found["overall"]["absences"], found["by_partner"], found["by_business"]) == (0, [], [])
    assert await read(service, "/incidents") == {"incidents": [], "next": None}


async def test_an_open_incident_is_shown_with_what_it_holds(service: Client, store: Store) -> None:
    await burst(store, 1, back=5)
    (incident,) = (await read(service, "/incidents"))["incidents"]
    assert incident.pop("opened_at") > "2025-09-12T09:00:00.000Z"
    assert incident == {
        "business_id": "b1",
        "status": "open",
        "closed_at": None,
        "closed_by": None,
        "first_vanished_at": "2025-09-12T09:00:00.000Z",
        "last_vanished_at": "2025-09-12T09:00:00.000Z",
        "absences": 20,
        "returned": 5,
        "missing": 15,
        "returned_after_s": dict.fromkeys(("p50", "p90", "p99"), pytest.approx(3_600, rel=0.05)),
    }


async def test_incidents_are_listed_page_by_page_the_open_ones_first(service: Client, store: Store) -> None:
    for number in range(5):
        await burst(store, number)
    for incident in await incidents.open_incidents(store):
        if incident.of != {"business_id": "b3"}:
            at = START + int(incident.of["business_id"][1]) * HOUR
            await incidents.close(store, incident, at, CloseReason.TIME)
    listed, page = [], {"next": "0"}
    while page["next"] is not None:
        page = await read(service, "/incidents", limit=2, cursor=page["next"])
        listed += page["incidents"]
    assert [incident["business_id"] for incident in listed] == ["b3", "b4", "b2", "b1", "b0"]
    assert [incident["status"] for incident in listed] == ["open", *["closed"] * 4]
    assert listed[1]["closed_at"] == "2025-09-12T12:00:00.000Z"
    assert (listed[1]["closed_by"], listed[1]["missing"]) == ("time", 20)
    assert (await read(service, "/incidents", cursor=2**63 - 1))["incidents"] == []


async def test_an_incident_of_a_partner_names_the_partner(service: Client, store: Store) -> None:
    await apply(store, *((one, START, deletion(one, business_id=f"b{one}")) for one in range(20)))
    (incident,) = (await read(service, "/incidents"))["incidents"]
    assert incident["partner"] == "google_my_business"
    assert "business_id" not in incident
    assert await store.redis.execute_command("SMEMBERS", keys.INCIDENTS) == {b"partner:google_my_business"}


@pytest.mark.parametrize("path", ["/stats", "/incidents"])
async def test_both_are_closed_without_a_token_and_refuse_what_they_do_not_know(
    path: str, service: Client, start_service: StartService
) -> None:
    assert (await service.get(path)).status == 401
    assert (await (await start_service(API_TOKEN="")).get(path, headers=READ)).status == 403
    for parameters in ({"limit": "0"}, {"limit": "201"}, {"at": "now"}):
        answer = await service.get(path, headers=READ, params=parameters)
        assert await error_of(answer) == (400, "bad_parameter")


@pytest.mark.parametrize("path", ["/stats", "/incidents"])
async def test_without_redis_both_answer_503(path: str, start_service: StartService, dead_url: str) -> None:
    assert (await (await start_service(dead_url)).get(path, headers=READ)).status == 503
