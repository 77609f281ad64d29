"""What Partoo's search shows and how it writes it need not be what the webhooks told."""

import asyncio
import json
import time
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from aiohttp import ClientError

from tests.tools.simulator.api import KEY, Client, StartApi, error, ids, search
from tools.simulator.api import FixedReviews, Form, Link, SimulatedReviews, Span
from tools.simulator.api.notation import contradiction, draw, write
from tools.simulator.chance import chance
from tools.simulator.clock import SimulatedClock
from tools.simulator.population import Population, Truth, life

REVIEW: dict[str, Any] = {
    "id": 1,
    "business_id": "b1",
    "partner": "facebook",
    "date": "2025-09-01T10:00:00.123456+02:00",
    "update_date": "2025-09-02T10:00:00.654321+02:00",
    "rating": 4,
    "title": None,
    "state": "treated",
    "comments": {"id": 7, "created": "2025-09-02T09:00:00.000000+02:00", "replies": []},
    "tags": [{"id": 1, "label": "food", "color": "#808080"}, {"id": 2, "label": "staff", "color": "#112233"}],
    "media_links": ["https://example.org/1.jpg"],
}


async def shown(client: Client, **query: str) -> Any:
    status, page = await search(client, **query)
    assert status == 200, page
    return page["reviews"][0]


async def until(wanted: list[int], client: Client) -> float:
    """Ask until the search shows these reviews; gives how long that took."""
    started = time.monotonic()
    async with asyncio.timeout(5):
        while await ids(client) != wanted:  # noqa: ASYNC110 - an API has nothing to announce
            await asyncio.sleep(0.01)
    return time.monotonic() - started


# What is shown


async def test_a_search_that_lags_shows_what_was_true_so_many_seconds_ago(start_api: StartApi) -> None:
    source = FixedReviews([REVIEW])
    client = await start_api(source, lag=Span(0.2, 0.2))
    source.put(REVIEW | {"rating": 1})
    source.put(REVIEW | {"id": 2})
    assert await ids(client) == [1]
    assert (await shown(client))["rating"] == 4
    assert 0.1 < await until([1, 2], client) < 2
    assert {review["rating"] for review in (await search(client))[1]["reviews"]} == {1, 4}


async def test_a_lag_may_be_another_one_for_each_request(start_api: StartApi) -> None:
    source = FixedReviews([])
    client = await start_api(source, lag=Span(0.0, 2.0))
    source.put(REVIEW)
    await asyncio.sleep(0.5)
    assert {tuple(await ids(client)) for _ in range(40)} == {(), (1,)}


@pytest.mark.parametrize("speed", [0.0, 1_000.0])
async def test_a_simulation_lags_in_real_seconds_whatever_its_speed(start_api: StartApi, speed: float) -> None:
    population = Population(reviews=3, days=1)
    clock = SimulatedClock(speed, 86_400)
    clock.start()
    truth = Truth(life(1, population))
    client = await start_api(SimulatedReviews(truth, clock, population, lambda _event: None), lag=Span(0.2, 0.2))
    clock.finish()
    assert await ids(client) == []
    assert await until([1000, 1001, 1002], client) > 0.1


async def test_a_new_review_may_be_listed_later_than_an_old_one_changes(start_api: StartApi) -> None:
    source = FixedReviews([REVIEW])
    client = await start_api(source, listed_after=0.2)
    source.put(REVIEW | {"state": "not_treated"})
    source.put(REVIEW | {"id": 2})
    assert await ids(client) == [1]
    assert (await shown(client))["state"] == "not_treated"
    assert await until([1, 2], client) > 0.1


async def test_a_key_may_see_some_businesses_only(start_api: StartApi) -> None:
    client = await start_api([REVIEW, REVIEW | {"id": 2, "business_id": "b2"}], businesses=frozenset({"b2"}))
    assert await ids(client) == [2]
    assert await ids(client, business__in="b1") == []


async def test_a_platform_that_is_no_longer_connected_takes_its_reviews_along(start_api: StartApi) -> None:
    reviews = [
        REVIEW | {"id": number, "partner": partner, "business_id": business}
        for number, (partner, business) in enumerate(
            [("facebook", "b1"), ("facebook", "b2"), ("tripadvisor", "b1"), ("tripadvisor", "b2")]
        )
    ]
    gone = frozenset({Link("facebook", "b1"), Link("tripadvisor")})
    assert await ids(await start_api(reviews, disconnected=gone)) == [1]


async def test_photos_may_be_shown_only_where_they_are_asked_for(start_api: StartApi) -> None:
    client = await start_api([REVIEW], media_on_request=True)
    assert (await shown(client))["media_links"] == []
    assert (await shown(client, with_media_links="false"))["media_links"] == []
    assert (await shown(client, with_media_links="true"))["media_links"] == REVIEW["media_links"]
    assert await error(await client.get("/v2/reviews", params={"with_media_links": "1"}, headers=KEY)) == (
        400,
        "bad_parameter",
    )


async def test_fields_may_be_left_out_and_others_added(start_api: StartApi) -> None:
    client = await start_api([REVIEW], omitted_fields=frozenset({"tags"}), added_fields=("origin",))
    found = await shown(client)
    assert "tags" not in found
    assert found["origin"] == "origin of 1"
    told = await (await client.get("/truth")).json()
    assert (told["reviews"], told["added_fields"]) == ([REVIEW], ["origin"])


# How it is written


@pytest.mark.parametrize(
    ("forms", "updated", "created"),
    [
        ({Form.Z}, "2025-09-02T08:00:00.654321Z", "2025-09-02T07:00:00.000000Z"),
        ({Form.UTC}, "2025-09-02T08:00:00.654321+00:00", "2025-09-02T07:00:00.000000+00:00"),
        ({Form.OFFSET, Form.SECONDS}, "2025-09-02T10:00:00+02:00", "2025-09-02T09:00:00+02:00"),
        ({Form.Z, Form.MILLISECONDS}, "2025-09-02T08:00:00.654Z", "2025-09-02T07:00:00.000Z"),
        ({Form.DECIMALS}, REVIEW["update_date"], "2025-09-02T09:00:00.000000+02:00"),
    ],
)
def test_instants_may_be_written_in_another_zone_and_less_finely(forms: set[Form], updated: str, created: str) -> None:
    written = write(REVIEW, frozenset(forms))
    assert (written["update_date"], written["comments"]["created"]) == (updated, created)


def test_nothing_may_be_null_absent_or_an_empty_list() -> None:
    bare = REVIEW | {"tags": [], "comments": None}
    null, absent, empty = (write(bare, frozenset({form})) for form in (Form.NULL, Form.ABSENT, Form.EMPTY_LIST))
    assert (null["tags"], null["comments"], null["title"]) == (None, None, None)
    assert not {"tags", "comments", "title"} & absent.keys()
    assert (empty["tags"], empty["comments"], empty["title"]) == ([], [], None)
    assert "replies" not in write(REVIEW, frozenset({Form.ABSENT}))["comments"]


def test_tags_may_stand_in_another_order_with_other_keys_and_numbers_with_a_point() -> None:
    written = write(REVIEW, frozenset({Form.TAG_ORDER, Form.TAG_KEYS, Form.DECIMALS}))
    assert written["tags"] == [
        {"id": 2, "label": "staff", "category": None},
        {"id": 1, "label": "food", "category": None},
    ]
    assert repr(written["rating"]) == "4.0"


def test_without_any_form_a_review_stays_as_the_webhook_writes_it() -> None:
    assert write(REVIEW, frozenset()) == REVIEW


def test_forms_that_are_drawn_do_not_contradict_one_another_and_all_of_them_come() -> None:
    dice = chance("notation")
    drawn = [draw(dice) for _ in range(100)]
    assert {form for forms in drawn for form in forms} == set(Form)
    assert [contradiction(forms) for forms in drawn] == [None] * 100
    assert contradiction(frozenset({Form.Z, Form.UTC, Form.NULL})) == "Z and +00:00"


async def test_each_request_may_draw_a_notation_of_its_own(start_api: StartApi) -> None:
    client = await start_api([REVIEW], mixed_notation=True)
    assert len({(await shown(client))["update_date"] for _ in range(40)}) > 4


# Faults


async def test_one_item_of_a_page_may_be_null_without_an_id_or_have_nan_as_its_rating(start_api: StartApi) -> None:
    client = await start_api([REVIEW | {"id": number} for number in range(5)], unreadable=1.0)
    kinds = set()
    for _ in range(30):
        text = await (await client.get("/v2/reviews", headers=KEY)).text()
        page = json.loads(text, parse_constant=lambda name: name)
        assert (page["count"], len(page["reviews"])) == (5, 5)
        (kind,) = {unreadable(item) for item in page["reviews"]} - {None}
        kinds.add(kind)
    assert kinds == {"null", "id", "rating"}


def unreadable(item: Any) -> str | None:
    if item is None:
        return "null"
    return "id" if item["id"] == "none" else "rating" if item["rating"] == "NaN" else None


async def test_a_connection_may_be_cut_in_place_of_an_answer(start_api: StartApi) -> None:
    client = await start_api([REVIEW], cut=1.0)
    with pytest.raises(ClientError):
        await client.get("/v2/reviews", headers=KEY)


async def test_an_answer_may_be_a_page_for_people(start_api: StartApi) -> None:
    client = await start_api([REVIEW], html=1.0)
    answers = [await client.get("/v2/reviews", headers=KEY) for _ in range(20)]
    assert {answer.status for answer in answers} == {200, 502}
    assert {answer.content_type for answer in answers} == {"text/html"}


async def test_429_may_say_when_to_come_back_as_a_date(start_api: StartApi) -> None:
    client = await start_api([], per_minute=1, retry_after_date=True)
    assert (await search(client))[0] == 200
    answer = await client.get("/v2/reviews", headers=KEY)
    assert answer.status == 429
    assert 0 < parsedate_to_datetime(answer.headers["Retry-After"]).timestamp() - time.time() <= 61


async def test_a_key_may_be_revoked_while_the_api_runs(start_api: StartApi) -> None:
    client = await start_api([REVIEW], revoked_after=0.2)
    assert await ids(client) == [1]
    await asyncio.sleep(0.3)
    assert await error(await client.get("/v2/reviews", headers=KEY)) == (401, "revoked_key")
