"""The read API: one review, its history, and what is asked for in a way that cannot be answered."""

from typing import Any

import pytest

from mirror.clock import iso
from mirror.storage.store import Store
from tests.service.support import START, apply, error_of, ids_in, list_ids, read
from tests.support import READ, Client, make_body, make_deletion, make_review

HOUR = 3_600_000
SECOND = 1_000
EDITED = make_review(rating=4, tags=[{"id": 25, "label": "food", "color": "#808080"}])
DELETION = make_deletion(EDITED)
BACK = make_review(rating=4, tags=[{"id": 26, "label": "staff", "color": "#000000"}], reply_count=1)
TIMES = [START, START + HOUR, START + 2 * HOUR, START + 5 * HOUR]
REPLY = {
    "id": 82938,
    "partner_id": "accounts/1",
    "created": "2019-08-01T19:15:54.256000+02:00",
    "author_name": "Castorche",
    "content": "Merci ❤️",
    "date": "2017-08-01T19:15:54.256000+02:00",
    "update_date": "2017-08-01T19:15:54.256000+02:00",
    "can_edit": True,
    "review_id": 34,
    "parent_id": 123,
    "user_id": "123456789abcdef2f60c42ff",
    "is_reply_suggestion": True,
    "replies": [{}],
}
SAMPLE = make_review(
    update_date="2017-08-01T19:15:54.256000+02:00",
    delete_date="…",
    recommended=True,
    title="…",
    state="treated",
    link="…",
    comments=REPLY,
    tags=[{"id": 25, "label": "food", "color": "#808080"}],
)


@pytest.fixture
async def story(store: Store) -> list[str]:
    """A review first seen, updated, vanished and reappeared, an hour, an hour and three hours apart."""
    reviews = (make_review(), EDITED, DELETION, BACK)
    return await apply(store, *((34, at, make_body(review)) for at, review in zip(TIMES, reviews, strict=True)))


async def test_a_live_review_is_shown_with_every_key(service: Client, store: Store) -> None:
    await apply(store, (34, START, make_body(make_review())), (34, START + HOUR, make_body(make_review())))
    assert await read(service, "/reviews/34") == {
        "id": 34,
        "status": "live",
        "version": 1,
        "ambiguous": False,
        "certainty": "proven",
        "review": make_review(),
        "last_live": make_review(),
        "missing_since": None,
        "reappearances": 0,
        "first_seen_at": "2025-09-12T08:00:00.000Z",
        "last_changed_at": "2025-09-12T08:00:00.000Z",
        "last_received_at": "2025-09-12T09:00:00.000Z",
    }


async def test_a_missing_review_is_shown_with_the_deletion_and_its_last_live_snapshot(
    service: Client, store: Store
) -> None:
    await apply(store, (34, START, make_body(EDITED)), (34, START + HOUR, make_body(DELETION)))
    assert await read(service, "/reviews/34") == {
        "id": 34,
        "status": "missing",
        "version": 2,
        "ambiguous": False,
        "certainty": "unproven",
        "review": DELETION,
        "last_live": EDITED,
        "missing_since": "2025-09-12T09:00:00.000Z",
        "reappearances": 0,
        "first_seen_at": "2025-09-12T08:00:00.000Z",
        "last_changed_at": "2025-09-12T09:00:00.000Z",
        "last_received_at": "2025-09-12T09:00:00.000Z",
    }


async def test_a_review_first_seen_deleted_has_no_last_live_snapshot(service: Client, store: Store) -> None:
    await apply(store, (34, START, make_body(DELETION)))
    shown = await read(service, "/reviews/34")
    assert (shown["status"], shown["review"], shown["last_live"]) == ("missing", DELETION, None)
    assert shown["missing_since"] == "2025-09-12T08:00:00.000Z"


@pytest.mark.usefixtures("story")
async def test_a_review_that_came_back_is_shown_live_with_its_reappearance(service: Client) -> None:
    shown = await read(service, "/reviews/34")
    assert (shown["status"], shown["version"], shown["review"]) == ("live", 4, BACK)
    assert (shown["reappearances"], shown["missing_since"], shown["last_live"]) == (1, None, BACK)


@pytest.mark.parametrize("comments", [REPLY, None, [], [REPLY], "odd", ...])
async def test_partoos_sample_is_shown_whole_whatever_comments_is(service: Client, store: Store, comments: Any) -> None:
    review = {name: value for name, value in (SAMPLE | {"comments": comments}).items() if value is not ...}
    await apply(store, (34, START, make_body(review)))
    assert (await read(service, "/reviews/34"))["review"] == review


async def test_fields_states_and_partners_that_are_not_known_are_shown_whole(service: Client, store: Store) -> None:
    review = make_review(
        partner="a new partner",
        state="a new state",
        media_links=["https://a.example/1.jpg"],
        deep={"a": [1, 2.5, None, {"b": {"c": "é\u0000\U0001f600"}}]},
        big=2**63,
        rating=None,
    )
    await apply(store, (34, START, make_body(review)))
    assert (await read(service, "/reviews/34"))["review"] == review
    assert ids_in((await read(service, "/reviews", partner="a new partner"))["reviews"]) == [34]


@pytest.mark.usefixtures("story")
@pytest.mark.parametrize(
    ("at", "version", "status", "review", "last_live"),
    [
        (TIMES[0], 1, "live", make_review(), make_review()),
        (TIMES[1] - 1, 1, "live", make_review(), make_review()),
        (TIMES[1], 2, "live", EDITED, EDITED),
        (TIMES[2] - 1, 2, "live", EDITED, EDITED),
        (TIMES[2], 3, "missing", DELETION, EDITED),
        (TIMES[3] - 1, 3, "missing", DELETION, EDITED),
        (TIMES[3], 4, "live", BACK, BACK),
        (TIMES[3] + 1000 * HOUR, 4, "live", BACK, BACK),
    ],
)
async def test_a_review_is_shown_as_it_was_then(  # noqa: PLR0913, PLR0917 - one column each
    service: Client, at: int, version: int, status: str, review: dict[str, Any], last_live: dict[str, Any]
) -> None:
    shown = await read(service, "/reviews/34", at=iso(at))
    assert (shown["version"], shown["status"], shown["review"], shown["last_live"]) == (
        version,
        status,
        review,
        last_live,
    )
    assert shown["missing_since"] == (iso(TIMES[2]) if status == "missing" else None)
    assert shown["reappearances"] == (1 if version == 4 else 0)
    assert shown["first_seen_at"] == iso(TIMES[0])
    assert shown["last_changed_at"] == iso(TIMES[version - 1])


@pytest.mark.usefixtures("story")
@pytest.mark.parametrize("at", [iso(START - 1), "0001-01-01", "0001-01-01T00:00:00+14:00"])
async def test_before_it_was_first_seen_a_review_is_not_found(service: Client, at: str) -> None:
    answer = await service.get("/reviews/34", headers=READ, params={"at": at})
    assert await error_of(answer) == (404, "review_not_found")
    message = (await answer.json())["error"]["message"]
    assert message == f"review 34 was first seen at {iso(TIMES[0])}, after that time"


@pytest.mark.usefixtures("story")
@pytest.mark.parametrize(
    "at",
    [
        "2025-09-12T09:00:00Z",
        "2025-09-12T09:00:00",
        "2025-09-12T11:00:00%2B02:00",
        "2025-09-12T11:00:00+02:00",
        "2025-09-12T04:30:00-04:30",
        "2025-09-12T09:00:00.000000Z",
        "2025-09-12%2009:00",
    ],
)
async def test_a_moment_may_be_written_in_every_way_of_iso_8601(service: Client, at: str) -> None:
    answer = await service.get(f"/reviews/34?at={at}", headers=READ)
    assert answer.status == 200, await answer.text()
    assert (await answer.json())["version"] == 2


@pytest.mark.parametrize("at", ["1757664000", "1757664000000", "1757121400000", "1757664000.5", "-5"])
async def test_a_moment_that_is_a_number_is_refused_and_the_answer_says_how_to_write_it(
    service: Client, at: str
) -> None:
    answer = await service.get("/reviews/34", headers=READ, params={"at": at})
    assert answer.status == 400
    error = (await answer.json())["error"]
    assert error["code"] == "bad_parameter"
    assert "is a number: write the time as ISO 8601" in error["message"]


async def test_the_time_that_a_change_tells_leads_to_the_review_as_it_was_after_that_change(
    service: Client, store: Store
) -> None:
    deliveries = [(34, START + number, make_body(make_review(number=number))) for number in range(90)]
    await apply(store, *deliveries)
    changes = (await read(service, "/reviews/34/changes", limit=200))["changes"]
    assert len(changes) == 90
    seen = [(await read(service, "/reviews/34", at=change["received_at"]))["version"] for change in changes]
    assert seen == [change["version"] for change in changes]


async def test_the_changes_are_told_newest_first_with_what_changed_and_why(service: Client, story: list[str]) -> None:
    body = await read(service, "/reviews/34/changes")
    food, staff = EDITED["tags"], BACK["tags"]
    same: dict[str, Any] = {"source": "webhook", "ambiguous": False, "certainty": "unproven", "repaired": []}
    assert body == {
        "changes": [
            {
                "version": 4,
                "kind": "reappeared",
                "fields": {"tags": [food, staff], "reply_count": [None, 1]},
                "added": ["reply_count"],
                "removed": [],
                "tags": {"added": staff, "removed": food},
                "received_at": iso(TIMES[3]),
                "delivery_id": story[3],
                "missing_for": 10_800.0,
                **same,
            },
            {
                "version": 3,
                "kind": "vanished",
                "fields": {"state": ["not_treated", "deleted"], "delete_date": [None, DELETION["delete_date"]]},
                "added": ["delete_date"],
                "removed": [],
                "tags": None,
                "received_at": iso(TIMES[2]),
                "delivery_id": story[2],
                "missing_for": None,
                **same,
            },
            {
                "version": 2,
                "kind": "updated",
                "fields": {"rating": [3, 4], "tags": [[], food]},
                "added": [],
                "removed": [],
                "tags": {"added": food, "removed": []},
                "received_at": iso(TIMES[1]),
                "delivery_id": story[1],
                "missing_for": None,
                **same,
            },
            {
                "version": 1,
                "kind": "first_seen",
                "fields": {name: [None, value] for name, value in make_review().items()},
                "added": list(make_review()),
                "removed": [],
                "tags": {"added": [], "removed": []},
                "received_at": iso(TIMES[0]),
                "delivery_id": story[0],
                "missing_for": None,
                **same,
                "certainty": "proven",
            },
        ],
        "next": None,
    }


async def test_a_field_that_is_gone_is_told_apart_from_one_that_became_null(service: Client, store: Store) -> None:
    await apply(
        store,
        (34, START, make_body(make_review(title="a", link="b"))),
        (34, START + 1, make_body(make_review(title=None, link=...))),
    )
    change = (await read(service, "/reviews/34/changes"))["changes"][0]
    assert change["fields"] == {"title": ["a", None], "link": ["b", None]}
    assert (change["added"], change["removed"]) == ([], ["link"])


async def test_an_ambiguous_change_says_so_and_so_does_its_review(service: Client, store: Store) -> None:
    await apply(
        store,
        (34, START, make_body(make_review())),
        (34, START + SECOND, make_body(make_deletion(make_review()))),
        (34, START + 2 * SECOND, make_body(make_review())),
    )
    assert (await read(service, "/reviews/34"))["ambiguous"] is True
    changes = (await read(service, "/reviews/34/changes"))["changes"]
    assert [(change["kind"], change["ambiguous"], change["missing_for"]) for change in changes] == [
        ("reappeared", True, 1.0),
        ("vanished", False, None),
        ("first_seen", False, None),
    ]


@pytest.mark.parametrize(
    ("limit", "pages"),
    [
        (3, [[7, 6, 5], [4, 3, 2], [1]]),
        (6, [[7, 6, 5, 4, 3, 2], [1]]),
        (7, [[7, 6, 5, 4, 3, 2, 1]]),
        (200, [[7, 6, 5, 4, 3, 2, 1]]),
    ],
)
async def test_changes_come_in_pages(service: Client, store: Store, limit: int, pages: list[list[int]]) -> None:
    await apply(store, *((34, START + number, make_body(make_review(number=number))) for number in range(7)))
    seen = []
    cursor: dict[str, str] = {}
    while True:
        page = await read(service, "/reviews/34/changes", limit=limit, **cursor)
        seen.append([change["version"] for change in page["changes"]])
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == pages


@pytest.mark.parametrize("cursor", [6, 7, 1_000, 2**63 - 1])
async def test_a_cursor_behind_the_end_means_the_newest(service: Client, store: Store, cursor: int) -> None:
    await apply(store, *((34, START + number, make_body(make_review(number=number))) for number in range(5)))
    newest = await read(service, "/reviews/34/changes", limit=2)
    assert await read(service, "/reviews/34/changes", limit=2, cursor=cursor) == newest


async def test_a_change_between_two_pages_shifts_nothing(service: Client, store: Store) -> None:
    await apply(store, *((34, START + number, make_body(make_review(number=number))) for number in range(4)))
    first = await read(service, "/reviews/34/changes", limit=2)
    await apply(store, (34, START + 10, make_body(make_review(number=10))))
    second = await read(service, "/reviews/34/changes", limit=2, cursor=first["next"])
    assert [change["version"] for change in second["changes"]] == [2, 1]


async def test_a_listed_review_looks_like_one_asked_for_by_its_id(service: Client, story: list[str]) -> None:
    assert len(story) == 4
    assert (await read(service, "/reviews"))["reviews"] == [await read(service, "/reviews/34")]


@pytest.mark.usefixtures("story")
@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/reviews?limit=0", "limit"),
        ("/reviews?limit=201", "limit"),
        ("/reviews?limit=-1", "limit"),
        ("/reviews?limit=ten", "limit"),
        ("/reviews?limit=", "limit"),
        ("/reviews?limit=1.5", "limit"),
        ("/reviews?limit=1%0A", "limit"),
        ("/reviews?limit=%D9%A3", "limit"),
        (f"/reviews?limit={'9' * 1000}", "limit"),
        ("/reviews?cursor=abc", "cursor"),
        ("/reviews?cursor=-1", "cursor"),
        ("/reviews?status=deleted", "status"),
        ("/reviews?status=", "status"),
        ("/reviews?status=LIVE", "status"),
        ("/reviews?at=2025-09-12", "at"),
        ("/reviews?state=treated", "state"),
        ("/reviews?limit=1&unknown", "unknown"),
        ("/reviews/34?at=", "at"),
        ("/reviews/34?at=yesterday", "at"),
        ("/reviews/34?at=2025-13-01", "at"),
        ("/reviews/34?at=1757664000", "at"),
        ("/reviews/34?at=99999-01-01T00:00:00Z", "at"),
        ("/reviews/34?limit=1", "limit"),
        ("/reviews/34/changes?limit=0", "limit"),
        ("/reviews/34/changes?cursor=x", "cursor"),
        ("/reviews/34/changes?at=2025-09-12", "at"),
    ],
)
async def test_a_parameter_that_cannot_be_used_is_named(service: Client, path: str, parameter: str) -> None:
    answer = await service.get(path, headers=READ)
    assert await error_of(answer) == (400, "bad_parameter")
    assert f"'{parameter}'" in (await answer.json())["error"]["message"]


@pytest.mark.usefixtures("story")
@pytest.mark.parametrize(
    "review_id",
    ["35", "0", str(2**63 - 1), str(2**63), "9" * 5000, "-34", "+34", "34.0", "abc", "%D9%A3", "34%00", "3 4"],
)
async def test_a_review_that_is_not_mirrored_is_not_found(service: Client, review_id: str) -> None:
    for what in ("", "/changes", "?at=2025-09-12T12:00:00Z"):
        answer = await service.get(f"/reviews/{review_id}{what}", headers=READ)
        assert await error_of(answer) == (404, "review_not_found")


async def test_the_largest_id_works_everywhere(service: Client, store: Store) -> None:
    largest = 2**63 - 1
    await apply(store, (largest, START, make_body(make_review(largest))))
    assert (await read(service, f"/reviews/{largest}"))["id"] == largest
    assert len((await read(service, f"/reviews/{largest}/changes"))["changes"]) == 1
    assert await list_ids(service, limit=1) == [largest]
