import json
from typing import Any

import pytest
from aiohttp import ClientTimeout

from tests.tools.simulator.api import KEY, StartApi, error, ids, put, search
from tools.simulator.api import FixedReviews
from tools.simulator.api.limits import RateLimit


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


async def test_thirty_reviews_a_page_from_page_1_and_each_on_exactly_one(start_api: StartApi) -> None:
    reviews = [review(n) for n in range(1, 96)]
    client = await start_api(reviews)
    found = []
    for number, size in ((1, 30), (2, 30), (3, 30), (4, 5), (5, 0)):
        status, page = await search(client, page=str(number))
        assert status == 200
        assert (page["page"], page["max_page"], page["count"], len(page["reviews"])) == (number, 4, 95, size)
        found += page["reviews"]
    assert sorted(found, key=lambda one: int(one["id"])) == reviews
    assert (await search(client))[1]["page"] == 1


async def test_an_empty_search_has_one_empty_page(start_api: StartApi) -> None:
    assert (await search(await start_api([])))[1] == {"page": 1, "max_page": 1, "count": 0, "reviews": []}


async def test_filters_by_business_partner_rating_and_text(start_api: StartApi) -> None:
    client = await start_api(
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


async def test_filters_by_update_date_in_utc_and_by_the_date_where_there_is_none(start_api: StartApi) -> None:
    client = await start_api(
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
    start_api: StartApi, *, in_search: bool, findable: bool, plain: list[int], asked: list[int]
) -> None:
    client = await start_api(DELETED, deleted_in_search=in_search, deleted_findable=findable)
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
async def test_a_bad_parameter_is_400_and_named(start_api: StartApi, name: str, value: str) -> None:
    status, body = await search(await start_api([review(1)]), **{name: value})
    assert (status, body["error"]["code"]) == (400, "bad_parameter")
    assert body["error"]["message"].startswith(f"{name}: ")


async def test_a_missing_key_is_401_and_a_wrong_one_403(start_api: StartApi) -> None:
    client = await start_api([])
    assert await error(await client.get("/v2/reviews")) == (401, "no_key")
    assert await error(await client.get("/v2/reviews", headers={"x-APIKey": "ké"})) == (403, "wrong_key")
    assert await error(await client.put("/v2/reviews/1")) == (401, "no_key")


@pytest.mark.parametrize("path", ["/", "/v2", "/v2/review", "/v2/reviews/1/x", "/v2/reviews/x"])
async def test_an_unknown_path_is_404_in_json(start_api: StartApi, path: str) -> None:
    assert await error(await (await start_api([])).get(path, headers=KEY)) == (404, "not_found")


async def test_there_is_no_get_of_one_review(start_api: StartApi) -> None:
    assert await error(await (await start_api([review(1)])).get("/v2/reviews/1", headers=KEY)) == (
        405,
        "method_not_allowed",
    )


async def test_past_the_limit_of_a_minute_it_answers_429_with_retry_after(start_api: StartApi) -> None:
    client = await start_api([], per_minute=3)
    for _ in range(3):
        assert (await search(client))[0] == 200
    answer = await client.get("/v2/reviews", headers=KEY)
    assert await error(answer) == (429, "too_many_requests")
    assert 0 < int(answer.headers["Retry-After"]) <= 60


def test_the_limit_counts_any_sixty_seconds_and_no_refused_requests() -> None:
    limit = RateLimit(2)
    assert [limit.wait(now) for now in (0.0, 10.0, 20.0, 59.0, 60.0, 61.0, 70.0)] == [0, 0, 40, 1, 0, 9, 0]


# PUT


async def test_put_sets_the_state_and_a_search_shows_it(start_api: StartApi) -> None:
    client = await start_api([review(1), review(2, state="deleted")])
    answer = await put(client, 1, {"state": "treated"})
    assert (answer.status, await answer.json()) == (200, review(1, state="treated"))
    assert await ids(client, state="treated") == [1]
    assert await error(await put(client, 2, {"state": "treated"})) == (404, "not_found")
    assert await error(await put(client, 3, {"state": "treated"})) == (404, "not_found")


@pytest.mark.parametrize("body", [{}, [], {"state": "deleted"}, {"state": 1}])
async def test_put_refuses_what_is_no_state(start_api: StartApi, body: Any) -> None:
    assert await error(await put(await start_api([review(1)]), 1, body)) == (400, "bad_state")


async def test_put_takes_json_only(start_api: StartApi) -> None:
    client = await start_api([review(1)])
    plain, broken = {"Content-Type": "text/plain"}, {"Content-Type": "application/json"}
    assert await error(await client.put("/v2/reviews/1", data=b"{}", headers=KEY | plain)) == (415, "not_json")
    assert await error(await client.put("/v2/reviews/1", data=b"{", headers=KEY | broken)) == (400, "not_json")


async def test_a_test_may_put_and_remove_reviews_while_the_api_runs(start_api: StartApi) -> None:
    source = FixedReviews([review(1)])
    client = await start_api(source)
    source.put(review(2, date=None, update_date=None))
    assert await ids(client) == [1, 2]
    assert await ids(client, update_date__gte="2000-01-01T00:00:00") == [1]
    source.remove(1)
    assert await ids(client) == [2]
    told = await (await client.get("/truth", params={"history": "1"})).json()
    assert (told["finished"], len(told["reviews"]), told["events"]) == (True, 1, [])


# Faults


async def test_requests_may_be_answered_429_or_5xx_out_of_the_blue(start_api: StartApi) -> None:
    answer = await (await start_api([], too_many=1.0)).get("/v2/reviews", headers=KEY)
    assert await error(answer) == (429, "too_many_requests")
    assert answer.headers["Retry-After"] == "1"
    client = await start_api([], failing=1.0)
    assert {(await search(client))[0] for _ in range(40)} == {500, 502, 503, 504}
    assert (await put(client, 1, {"state": "treated"})).status >= 500


async def test_a_share_of_faults_is_a_share(start_api: StartApi) -> None:
    client = await start_api([], failing=0.3, too_many=0.2)
    statuses = [(await search(client))[0] for _ in range(200)]
    assert 30 < sum(status >= 500 for status in statuses) < 90
    assert 15 < statuses.count(429) < 65
    assert statuses.count(200) > 60


async def test_a_request_may_hang(start_api: StartApi) -> None:
    client = await start_api([], hanging=1.0, hang_s=0.3)
    with pytest.raises(TimeoutError):
        await client.get("/v2/reviews", headers=KEY, timeout=ClientTimeout(total=0.05))
    assert await error(await client.get("/v2/reviews", headers=KEY)) == (504, "timeout")


async def test_pages_may_be_cut_off_or_hold_fewer_reviews_than_they_say(start_api: StartApi) -> None:
    client = await start_api([review(n) for n in range(30)], truncated=1.0)
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


async def test_reviews_may_be_left_out_of_every_search_and_always_the_same(start_api: StartApi) -> None:
    client = await start_api([review(n) for n in range(30)], left_out=0.4)
    found = await ids(client)
    assert 5 < len(found) < 30
    assert await ids(client) == found
    assert len((await (await client.get("/truth")).json())["reviews"]) == 30
