"""What Partoo's API writes beside what its webhooks write: nothing but what happened becomes a change."""

from typing import Any

import pytest

from mirror.domain.changes import Source
from mirror.domain.decisions import Decision
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.reading import encode_reading
from mirror.domain.record import Record
from mirror.domain.settling import settle
from tests.mirror.domain.stories import DAY, START, WINDOWS
from tests.support import make_body, make_deletion, make_review

WEBHOOK = make_review(
    update_date="2025-09-04T10:00:00.654321+02:00",
    tags=[{"id": 1, "label": "food"}, {"id": 2, "label": "staff"}],
    media_links=["https://example.org/photo"],
)
API = WEBHOOK | {
    "date": "2025-07-01T14:10:23Z",
    "update_date": "2025-09-04T08:00:00.654Z",
    "tags": [{"id": 2, "label": "staff"}, {"id": 1, "label": "food"}],
    "title": "",
    "media_links": [],
}


def told(review: dict[str, Any], day: int) -> Entry:
    at = START + day * DAY
    return Entry(make_delivery_id(at, day), at, Source.WEBHOOK, make_body(review))


def read(review: dict[str, Any], day: int) -> Entry:
    at = START + day * DAY
    return Entry(make_delivery_id(at, day), at, Source.RECONCILIATION, encode_reading(review, at - 100))


def decisions(*entries: Entry) -> list[Decision]:
    settled = settle(None, entries, WINDOWS)
    assert settled.dead_letters == []
    return settled.decisions


def record_after(*entries: Entry) -> Record:
    return decisions(*entries)[-1].record


def outcomes(*entries: Entry) -> list[str]:
    return [str(decision.outcome) for decision in decisions(*entries)]


def without(review: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in review.items() if name not in names}


@pytest.mark.parametrize(
    "reading",
    [
        API,
        without(API, "title", "recommended", "comments", "media_links"),
        API | {"link": None, "partner_id": ""},  # fields that cannot become empty: the API does not write them
        dict(reversed(API.items())),
    ],
)
def test_webhooks_and_readings_in_turn_make_no_change_while_they_say_the_same(reading: dict[str, Any]) -> None:
    turns = [told(WEBHOOK, 0), *(entry for day in (1, 3, 5) for entry in (read(reading, day), told(WEBHOOK, day + 1)))]
    assert outcomes(*turns) == ["first_seen"] + ["unchanged"] * 6
    assert record_after(*turns).review == WEBHOOK


def test_the_other_way_round_too_for_a_review_that_was_first_seen_in_a_reading() -> None:
    turns = [
        read(API, 0),
        told(without(WEBHOOK, "media_links"), 1),
        read(API, 2),
        told(without(WEBHOOK, "media_links"), 3),
    ]
    assert outcomes(*turns) == ["first_seen"] + ["unchanged"] * 3


def test_a_new_tag_in_a_reading_changes_the_tags_and_nothing_else() -> None:
    tagged = API | {"tags": [*API["tags"], {"id": 3, "label": "calm"}]}
    *_, found, again = decisions(told(WEBHOOK, 0), read(tagged, 1), told(WEBHOOK | {"tags": tagged["tags"]}, 2))
    assert found.change is not None
    assert list(found.change.fields) == ["tags"]
    assert found.record.review["media_links"] == WEBHOOK["media_links"]
    assert again.outcome == "unchanged"


@pytest.mark.parametrize(("name", "before"), [("title", "Super"), ("tags", WEBHOOK["tags"]), ("comments", {"id": 1})])
def test_a_field_that_can_become_empty_is_emptied_by_a_reading_that_shows_it_so(name: str, before: Any) -> None:
    *_, found = decisions(told(WEBHOOK | {name: before}, 0), read(API | {name: None}, 1))
    assert found.change is not None
    assert found.change.fields == {name: (before, None)}


def test_a_field_that_a_reading_leaves_out_stays() -> None:
    assert outcomes(told(WEBHOOK | {"title": "Super"}, 0), read(without(API, "title"), 1))[-1] == "unchanged"


def test_a_field_that_only_the_api_has_is_kept_beside_the_review_and_is_no_change() -> None:
    entries = [told(WEBHOOK, 0), read(API | {"sentiment": "good"}, 1), told(WEBHOOK, 2)]
    assert outcomes(*entries) == ["first_seen", "unchanged", "unchanged"]
    record = record_after(*entries)
    assert (record.extra, "sentiment" in record.review) == ({"sentiment": "good"}, False)
    # Once a webhook tells of it, it is a field of the review.
    record = record_after(*entries, told(WEBHOOK | {"sentiment": "bad"}, 3))
    assert (record.extra, record.review["sentiment"]) == ({}, "bad")


def test_an_edit_in_a_webhook_wins_over_the_notation_of_a_reading_before_it() -> None:
    read_first = WEBHOOK | {"rating": 5, "update_date": "2025-09-05T08:00:00Z"}
    edit = WEBHOOK | {"rating": 1, "update_date": "2025-09-06T10:00:00.000001+02:00"}
    record = record_after(told(WEBHOOK, 0), read(read_first, 1), told(edit, 2))
    assert record.review == edit
    assert record.read_fields == ()


def test_a_late_copy_does_not_win_because_a_coarser_clock_came_in_between() -> None:
    edited = WEBHOOK | {"rating": 5, "update_date": "2025-09-05T10:00:00.900000+02:00"}
    coarse = edited | {"update_date": "2025-09-05T08:00:00Z", "rating": 5}
    story = [told(WEBHOOK, 0), told(edited, 2), read(coarse, 3)]
    assert outcomes(*story, told(WEBHOOK, 3)) == ["first_seen", "updated", "unchanged", "updated"]
    late = decisions(*story, told(WEBHOOK, 2))[-1]
    assert late.record.certainty != "proven"


def test_a_reading_of_a_return_is_compared_with_the_last_live_snapshot() -> None:
    *_, back = decisions(told(WEBHOOK, 0), told(make_deletion(WEBHOOK), 1), read(API, 3))
    assert back.change is not None
    assert (back.outcome, back.change.fields, back.record.review) == ("reappeared", {}, WEBHOOK)
