import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientTimeout, web
from aiohttp.test_utils import TestClient, make_mocked_request
from pytest_aiohttp import AiohttpClient

from simulator.api import ApiOptions, FixedReviews, SimulatedReviews, TruthSource, make_api
from simulator.api.limits import RateLimit
from simulator.clock import SimulatedClock
from simulator.population import Kind, Moving, Population, Truth, TruthEvent, life
from simulator.population.events import DAY

Client = TestClient[web.Request, web.Application]
StartApi = Callable[..., Awaitable[Client]]
KEY = {"x-APIKey": "k"}
UNLIMITED: dict[str, Any] = {"key": "k", "per_minute": 0}


def review(review_id: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": review_id,
        "business_id": "b1",
        "partner": "google_my_business",
        "date": "2025-09-01T10:00:00+02:00",
        "update_date": f"2025-09-02T10:00:{review_id % 60:02}+02:00",
        "rating": 4,
        "content": "bien",
        "state": "not_treated",
    } | fields


@pytest.fixture
def start(aiohttp_client: AiohttpClient) -> StartApi:
    async def start(source: TruthSource | list[dict[str, Any]], **options: Any) -> Client:
        given = FixedReviews(source) if isinstance(source, list) else source
        return await aiohttp_client(make_api(given, ApiOptions(**(UNLIMITED | options))))

    return start


async def search(client: Client, **query: str) -> tuple[int, Any]:
    async with client.get("/v2/reviews", params=query, headers=KEY) as answer:
        return answer.status, await answer.json()


async def ids(client: Client, **query: str) -> list[int]:
    status, page = await search(client, **query)
    assert status == 200, page
    assert page["count"] == len(page["reviews"])
    return sorted(found["id"] for found in page["reviews"])


async def error(answer: ClientResponse) -> tuple[int, str]:
    return answer.status, (await answer.json())["error"]["code"]


async def test_thirty_reviews_a_page_from_page_1_and_each_on_exactly_one(start: StartApi) -> None:
    reviews = [review(n) for n in range(1, 96)]
    client = await start(reviews)
    found = []
    for number, size in ((1, 30), (2, 30), (3, 30), (4, 5), (5, 0)):
        status, page = await search(client, page=str(number))
        assert status == 200
        assert (page["page"], page["max_page"], page["count"], len(page["reviews"])) == (number, 4, 95, size)
        found += page["reviews"]
    assert sorted(found, key=lambda one: int(one["id"])) == reviews
    assert (await search(client))[1]["page"] == 1


async def test_an_empty_search_has_one_empty_page(start: StartApi) -> None:
    assert (await search(await start([])))[1] == {"page": 1, "max_page": 1, "count": 0, "reviews": []}


async def test_filters_by_business_partner_rating_and_text(start: StartApi) -> None:
    client = await start(
        [
            review(1, business_id="b1", rating=1),
            review(2, business_id="b2", partner="facebook", rating=None, content=None),
            review(3, business_id="b3", partner="tripadvisor", rating=5),
            review(4, business_id="b2", rating=5),
        ]
    )
    assert await ids(client) == [1, 2, 3, 4]
    assert await ids(client, business__in="b2,b3") == [2, 3, 4]
    assert await ids(client, business__notin="b2, b3") == [1]
    assert await ids(client, partner__in="facebook,tripadvisor") == [2, 3]
    assert await ids(client, content__isnull="true") == [2]
    assert await ids(client, content__isnull="False") == [1, 3, 4]
    assert await ids(client, gmb_rating__in="1,5") == [1, 4]
    assert await ids(client, business__in="b2", gmb_rating__in="5") == [4]


async def test_filters_by_update_date_in_utc_and_by_the_date_where_there_is_none(start: StartApi) -> None:
    client = await start(
        [
            review(1, update_date="2025-09-02T10:00:00+02:00"),
            review(2, update_date=None, date="2025-09-02T12:00:00+02:00"),
            review(3, update_date="2025-09-02T14:00:00+02:00"),
        ]
    )
    assert await ids(client, update_date__gte="2025-09-02T10:00:00") == [2, 3]
    assert await ids(client, update_date__lte="2025-09-02T10:00:00") == [1, 2]
    assert await ids(client, update_date__gte="2025-09-02T08:00:01", update_date__lte="2025-09-02T11:59:59") == [2]


DELETED = [review(1), review(2, state="deleted"), review(3, state="treated")]


@pytest.mark.parametrize(
    ("in_search", "findable", "plain", "asked"),
    [
        (False, True, [1, 3], [2]),
        (True, True, [1, 2, 3], [2]),
        (False, False, [1, 3], []),
        (True, False, [1, 3], []),
    ],
)
async def test_whether_deleted_reviews_are_found_is_settable(
    start: StartApi, *, in_search: bool, findable: bool, plain: list[int], asked: list[int]
) -> None:
    client = await start(DELETED, deleted_in_search=in_search, deleted_findable=findable)
    assert await ids(client) == plain
    assert await ids(client, state="deleted") == asked
    assert await ids(client, state="treated,deleted") == sorted([3, *asked])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("page", "0"),
        ("page", "one"),
        ("update_date__gte", "2025-09-02T10:00:00+02:00"),
        ("update_date__gte", "2025-09-02T10:00:00Z"),
        ("update_date__lte", "2025-09-02"),
        ("update_date__lte", "yesterday"),
        ("content__isnull", "perhaps"),
        ("gmb_rating__in", "6"),
        ("business__in", "b1,,b2"),
        ("rating", "5"),
    ],
)
async def test_a_bad_parameter_is_400_and_named(start: StartApi, name: str, value: str) -> None:
    status, body = await search(await start([review(1)]), **{name: value})
    assert (status, body["error"]["code"]) == (400, "bad_parameter")
    assert body["error"]["message"].startswith(f"{name}: ")


async def test_a_missing_key_is_401_and_a_wrong_one_403(start: StartApi) -> None:
    client = await start([])
    assert await error(await client.get("/v2/reviews")) == (401, "no_key")
    assert await error(await client.get("/v2/reviews", headers={"x-APIKey": "ké"})) == (403, "wrong_key")
    assert await error(await client.put("/v2/reviews/1")) == (401, "no_key")


@pytest.mark.parametrize("path", ["/", "/v2", "/v2/review", "/v2/reviews/1/x", "/v2/reviews/x"])
async def test_an_unknown_path_is_404_in_json(start: StartApi, path: str) -> None:
    assert await error(await (await start([])).get(path, headers=KEY)) == (404, "not_found")


async def test_there_is_no_get_of_one_review(start: StartApi) -> None:
    assert await error(await (await start([review(1)])).get("/v2/reviews/1", headers=KEY)) == (
        405,
        "method_not_allowed",
    )


async def test_past_the_limit_of_a_minute_it_answers_429_with_retry_after(start: StartApi) -> None:
    client = await start([], per_minute=3)
    for _ in range(3):
        assert (await search(client))[0] == 200
    answer = await client.get("/v2/reviews", headers=KEY)
    assert await error(answer) == (429, "too_many_requests")
    assert 0 < int(answer.headers["Retry-After"]) <= 60


def test_the_limit_counts_any_sixty_seconds_and_no_refused_requests() -> None:
    limit = RateLimit(2)
    assert [limit.wait(now) for now in (0.0, 10.0, 20.0, 59.0, 60.0, 61.0, 70.0)] == [0, 0, 40, 1, 0, 9, 0]


# PUT


async def put(client: Client, review_id: int, body: Any) -> ClientResponse:
    return await client.put(f"/v2/reviews/{review_id}", json=body, headers=KEY)


async def test_put_sets_the_state_and_a_search_shows_it(start: StartApi) -> None:
    client = await start([review(1), review(2, state="deleted")])
    answer = await put(client, 1, {"state": "treated"})
    assert (answer.status, await answer.json()) == (200, review(1, state="treated"))
    assert await ids(client, state="treated") == [1]
    assert await error(await put(client, 2, {"state": "treated"})) == (404, "not_found")
    assert await error(await put(client, 3, {"state": "treated"})) == (404, "not_found")


@pytest.mark.parametrize("body", [{}, [], {"state": "deleted"}, {"state": 1}])
async def test_put_refuses_what_is_no_state(start: StartApi, body: Any) -> None:
    assert await error(await put(await start([review(1)]), 1, body)) == (400, "bad_state")


async def test_put_takes_json_only(start: StartApi) -> None:
    client = await start([review(1)])
    plain, broken = {"Content-Type": "text/plain"}, {"Content-Type": "application/json"}
    assert await error(await client.put("/v2/reviews/1", data=b"{}", headers=KEY | plain)) == (415, "not_json")
    assert await error(await client.put("/v2/reviews/1", data=b"{", headers=KEY | broken)) == (400, "not_json")


# Faults


async def test_requests_may_be_answered_429_or_500_out_of_the_blue(start: StartApi) -> None:
    answer = await (await start([], too_many=1.0)).get("/v2/reviews", headers=KEY)
    assert await error(answer) == (429, "too_many_requests")
    assert answer.headers["Retry-After"] == "1"
    assert await error(await (await start([], failing=1.0)).get("/v2/reviews", headers=KEY)) == (500, "internal")
    assert await error(await put(await start([review(1)], failing=1.0), 1, {"state": "treated"})) == (500, "internal")


async def test_a_share_of_faults_is_a_share(start: StartApi) -> None:
    client = await start([], failing=0.3, too_many=0.2)
    statuses = [(await search(client))[0] for _ in range(200)]
    assert 30 < statuses.count(500) < 90
    assert 15 < statuses.count(429) < 65
    assert statuses.count(200) > 60


async def test_a_request_may_hang(start: StartApi) -> None:
    client = await start([], hanging=1.0, hang_s=0.3)
    with pytest.raises(TimeoutError):
        await client.get("/v2/reviews", headers=KEY, timeout=ClientTimeout(total=0.05))
    assert await error(await client.get("/v2/reviews", headers=KEY)) == (504, "timeout")


async def test_pages_may_be_cut_off_or_hold_fewer_reviews_than_they_say(start: StartApi) -> None:
    client = await start([review(n) for n in range(30)], truncated=1.0)
    cut_off = short = 0
    for _ in range(20):
        async with client.get("/v2/reviews", headers=KEY) as answer:
            body = await answer.read()
        try:
            page = json.loads(body)
        except ValueError:
            cut_off += 1
        else:
            short += 1
            assert (page["count"], len(page["reviews"])) == (30, 15)
    assert cut_off
    assert short


async def test_reviews_may_be_left_out_of_every_search_and_always_the_same(start: StartApi) -> None:
    client = await start([review(n) for n in range(30)], left_out=0.4)
    found = await ids(client)
    assert 5 < len(found) < 30
    assert await ids(client) == found
    assert len((await (await client.get("/truth")).json())["reviews"]) == 30


# The truth, and a population behind the API


def simulated(
    speed: float = 0.0, population: Population | None = None, announced: list[TruthEvent] | None = None
) -> tuple[SimulatedReviews, SimulatedClock, Truth]:
    population = population or Population(reviews=20, businesses=2, days=10)
    truth = Truth(life(1, population))
    clock = SimulatedClock(speed, population.days * DAY)
    heard = [] if announced is None else announced
    return SimulatedReviews(truth, clock, population, heard.append), clock, truth


async def test_the_api_shows_the_truth_of_the_present_moment(start: StartApi) -> None:
    source, clock, truth = simulated()
    client = await start(source, deleted_in_search=True)
    assert await ids(client) == []
    for day in (1, 4, 10):
        clock.reach(day * DAY)
        status, page = await search(client)
        assert status == 200
        assert {one["id"]: one for one in page["reviews"]} == dict(truth.reviews(day * DAY))


async def test_the_truth_tells_every_payload_and_with_history_all_that_happened(start: StartApi) -> None:
    source, clock, truth = simulated()
    client = await start(source)
    clock.reach(5 * DAY)
    told = await (await client.get("/truth", params={"history": "1"})).json()
    assert told["now"] == "2025-09-06T00:00:00+00:00"
    assert told["finished"] is False
    assert told["reviews"] == [one for _, one in truth.reviews(5 * DAY)]
    assert [event["review"] for event in told["events"]] == [event.payload for event in source.events()]
    clock.finish()
    told = await (await client.get("/truth")).json()
    assert (told["finished"], "events" in told) == (True, False)


async def test_the_truth_is_told_on_this_machine_alone() -> None:
    app = make_api(FixedReviews(), ApiOptions())
    request = make_mocked_request("GET", "/truth", app=app)
    for remote, status in (("127.0.0.1", 200), ("::1", 200), ("192.0.2.1", 403)):
        route = await app.router.resolve(request)
        answer = await route.handler(request.clone(remote=remote))
        assert isinstance(answer, web.Response)
        assert answer.status == status


async def test_a_state_set_through_the_api_is_true_and_announced_and_the_next_event_overrides_it(
    start: StartApi,
) -> None:
    announced: list[TruthEvent] = []
    moving = Population(reviews=20, businesses=2, days=10, moves_update_date=frozenset({Moving.STATE}))
    for population, moved in ((moving, True), (None, False)):
        source, clock, truth = simulated(population=population, announced=announced)
        client = await start(source)
        clock.reach(5 * DAY)
        before = next(one for _, one in truth.reviews(5 * DAY) if one["state"] == "not_treated")
        after = await (await put(client, before["id"], {"state": "treated"})).json()
        assert after["state"] == "treated"
        assert (after["update_date"] != before["update_date"]) is moved
        assert truth.review(before["id"], 5 * DAY) == after
        (event,) = announced
        assert (event.kind, event.payload) == (Kind.MARKED, after)
        await put(client, before["id"], {"state": "treated"})
        assert announced == [event]
        announced.clear()


def test_a_clock_with_a_speed_runs_and_ends() -> None:
    clock = SimulatedClock(1e9, 10.0)
    assert (clock.now(), clock.finished) == (0.0, False)
    clock.start()
    while not clock.finished:
        pass
    assert clock.now() == 10.0


def test_a_clock_with_a_speed_says_how_long_to_wait_and_one_without_never_waits() -> None:
    clock = SimulatedClock(100.0, 1000.0)
    assert clock.real_seconds_until(500.0) == 5.0
    standing = SimulatedClock(0.0, 1000.0)
    assert standing.real_seconds_until(500.0) == 0.0
    standing.reach(700.0)
    standing.reach(400.0)
    assert standing.now() == 700.0
