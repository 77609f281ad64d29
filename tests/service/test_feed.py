"""The feed: every change once, in order, whole, and never a silent gap."""

import asyncio
from typing import Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from msgspec import json

from mirror.domain.inbox import make_delivery_id
from mirror.storage import forgetting, keys
from mirror.storage.store import Store
from tests.service.support import START, apply, error_of, read
from tests.support import READ, Client, make_body, make_deletion, make_review
from worker.deciding import Policy
from worker.drain import Drainer

DAY = 86_400_000
LIVE = make_review()
EDITED = make_review(rating=4, update_date="2025-09-13T10:00:00+02:00")
GONE = make_deletion(EDITED, "2025-09-14T09:00:00+02:00")


async def tell_a_story(store: Store) -> None:
    """A review is written, edited, deleted, and back again as it was."""
    await apply(store, (34, START, make_body(LIVE)))
    await apply(store, (34, START + DAY, make_body(EDITED)))
    await apply(store, (34, START + 2 * DAY, make_body(GONE)))
    await apply(store, (34, START + 9 * DAY, make_body(EDITED)))


def ids(page: Any) -> list[str]:
    return [event["id"] for event in page["events"]]


async def test_an_empty_feed_has_no_events_and_a_cursor_that_works_later(service: Client, store: Store) -> None:
    empty = await read(service, "/feed")
    assert empty["events"] == []
    now = await read(service, "/feed", cursor="now")
    await tell_a_story(store)
    for cursor in (empty["cursor"], now["cursor"]):
        assert ids(await read(service, "/feed", cursor=cursor)) == ["34-1", "34-2", "34-3", "34-4"]


async def test_each_event_is_a_cloud_event_with_the_whole_change_and_the_review_at_that_version(
    service: Client, store: Store
) -> None:
    await tell_a_story(store)
    events = (await read(service, "/feed"))["events"]
    changes = (await read(service, "/reviews/34/changes"))["changes"][::-1]
    assert [event["type"] for event in events] == [
        f"reviewmirror.review.{kind}" for kind in ("first_seen", "updated", "vanished", "reappeared")
    ]
    for event in events:
        assert JSONFormat().read(CloudEvent, json.encode(event)).get_id() == event["id"]
    for event, change in zip(events, changes, strict=True):
        assert event["data"] | change == event["data"]
        assert (event["specversion"], event["source"], event["subject"]) == ("1.0", "/reviews", "34")
        assert (event["time"], event["datacontenttype"]) == (change["received_at"], "application/json")
    assert [event["data"]["review"] for event in events] == [LIVE, EDITED, GONE, EDITED]
    assert [event["data"]["status"] for event in events] == ["live", "live", "missing", "live"]
    assert events[3]["data"]["missing_for"] == 7 * DAY / 1000


async def test_the_feed_is_read_in_pieces_that_miss_and_repeat_nothing(service: Client, store: Store) -> None:
    for number in range(23):
        await apply(store, (number, START, make_body(make_review(number))))
    seen: list[str] = []
    page: Any = {"cursor": "0-0"}
    while (page := await read(service, "/feed", cursor=page["cursor"], limit=5))["events"]:
        seen += ids(page)
    assert seen == [f"{number}-1" for number in range(23)]


async def test_filters_hide_events_and_the_cursor_goes_on_behind_what_they_hid(service: Client, store: Store) -> None:
    await tell_a_story(store)
    other = make_review(7, partner="facebook", business_id="b2")
    await apply(store, (7, START, make_body(other)))
    assert ids(await read(service, "/feed", partner="facebook")) == ["7-1"]
    assert ids(await read(service, "/feed", business_id="b2")) == ["7-1"]
    assert ids(await read(service, "/feed", kind="vanished")) == ["34-3"]
    hidden = await read(service, "/feed", kind="gone")
    assert hidden["events"] == []
    assert (await read(service, "/feed", cursor=hidden["cursor"]))["events"] == []


async def test_who_waits_is_answered_once_something_happens(service: Client, store: Store) -> None:
    waiting = asyncio.create_task(read(service, "/feed", cursor="now", wait="20s"))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await apply(store, (34, START, make_body(LIVE)))
    async with asyncio.timeout(5):
        assert ids(await waiting) == ["34-1"]


async def test_who_waits_in_vain_gets_an_empty_answer_in_time(service: Client) -> None:
    async with asyncio.timeout(5):
        assert (await read(service, "/feed", wait="200ms"))["events"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"wait": "51s"},
        {"wait": "5"},
        {"limit": "0"},
        {"limit": "501"},
        {"cursor": "x"},
        {"kind": "trimmed"},
        {"at": "1"},
    ],
)
async def test_what_cannot_be_used_is_refused_by_name(service: Client, query: dict[str, str]) -> None:
    answer = await service.get("/feed", headers=READ, params=query)
    assert await error_of(answer) == (400, "bad_parameter")


async def test_without_a_token_there_is_no_feed(service: Client) -> None:
    assert await error_of(await service.get("/feed")) == (401, "unauthorized")


async def test_a_cursor_older_than_what_is_kept_is_410_and_never_a_silent_gap(service: Client, store: Store) -> None:
    await tell_a_story(store)
    first = (await read(service, "/feed", limit=1))["cursor"]
    await store.redis.xtrim(keys.FEED, maxlen=1, approximate=False)
    answer = await service.get("/feed", headers=READ, params={"cursor": first})
    assert await error_of(answer) == (410, "cursor_expired")
    # Who begins anew gets what is kept, and goes on from there.
    rest = await read(service, "/feed")
    assert ids(rest) == ["34-4"]
    assert (await read(service, "/feed", cursor=rest["cursor"]))["events"] == []


async def test_a_cursor_beyond_the_end_is_410_as_the_server_has_lost_what_it_told(
    service: Client, store: Store
) -> None:
    await tell_a_story(store)
    answer = await service.get("/feed", headers=READ, params={"cursor": "99999999999999-0"})
    assert await error_of(answer) == (410, "cursor_expired")


async def test_a_list_and_the_feed_from_its_cursor_miss_nothing(service: Client, store: Store) -> None:
    for number in range(5):
        await apply(store, (number, START, make_body(make_review(number))))
    page = await read(service, "/reviews", limit=3)
    before = page["cursor"]
    await apply(store, (1, START + DAY, make_body(make_review(1, rating=5, update_date="2025-09-13T10:00:00+02:00"))))
    page = await read(service, "/reviews", limit=3, cursor=page["next"])
    assert page["cursor"] == before
    assert ids(await read(service, "/feed", cursor=before)) == ["1-2"]


async def test_of_a_forgotten_review_followers_get_its_id_and_nothing_else(service: Client, store: Store) -> None:
    await tell_a_story(store)
    await forgetting.demand(store, [34])
    await Drainer(store, Policy()).run()
    page = await read(service, "/feed")
    assert page["events"][-1]["type"] == "reviewmirror.review.forgotten"
    assert page["events"][-1]["data"] == {"id": 34}
    assert LIVE["content"] not in json.encode(page).decode()


async def test_an_absence_is_shown_as_it_was_also_when_the_review_is_back_with_other_words(
    service: Client, store: Store
) -> None:
    await tell_a_story(store)
    back = EDITED | {"rating": 1, "update_date": "2025-09-25T10:00:00+02:00"}
    for day in range(12, 40):
        await apply(store, (34, START + day * DAY, make_body(back | {"rating": 1 + day % 2})))
    events = (await read(service, "/feed"))["events"]
    assert events[2]["data"]["review"] == GONE
    assert events[2]["data"]["status"] == "missing"


async def test_an_event_of_which_nothing_is_kept_any_more_says_that_it_happened(service: Client, store: Store) -> None:
    made = make_delivery_id(START, 1)
    await store.redis.xadd(keys.FEED, {"review_id": 9, "version": 3, "kind": "updated", "delivery_id": made})
    (event,) = (await read(service, "/feed"))["events"]
    assert (event["id"], event["data"]["review"], event["data"]["status"]) == ("9-3", None, None)


async def test_the_feed_keeps_about_as_many_entries_as_it_is_told_to(store: Store) -> None:
    store.feed_length = 100
    for number in range(1_000):
        await apply(store, (number, START, make_body(make_review(number))))
    assert await store.redis.xlen(keys.FEED) < 300
