"""Webhooks and API write the same reviews in other forms, evening after evening: histories tell only what happened."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from mirror.domain.changes import Source
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.reading import encode_reading
from mirror.domain.record import DEFAULT_WINDOWS, Record
from mirror.domain.settling import settle
from mirror.reconciliation.judging import SAME, judge
from tests.support import make_body, make_review

Review = dict[str, Any]
Write = Callable[[Review], Review]

START = 1_760_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR
NUMBER = 60
TAGS = [{"id": 7, "label": "food", "color": "#808080"}, {"id": 3, "label": "staff", "color": "#112233"}]


def instants(write: Callable[[datetime], str]) -> Write:
    """Write every instant of a review and of its reply in another way."""

    def rewrite(review: Review) -> Review:
        return {
            name: rewrite(value)
            if isinstance(value, dict)
            else write(datetime.fromisoformat(value))
            if name in {"date", "update_date", "created"} and value
            else value
            for name, value in review.items()
        }

    return rewrite


def with_fields(**fields: Any) -> Write:
    return lambda review: review | fields


def without(*names: str) -> Write:
    return lambda review: {name: value for name, value in review.items() if name not in names}


def empty_as(value: Any) -> Write:
    """Write what is null as something else that is empty."""
    return lambda review: {
        name: value if found is None and name in {"comments", "title", "link"} else found
        for name, found in review.items()
    }


NOTATIONS: dict[str, Write] = {
    "UTC, as Z": instants(lambda at: at.astimezone(UTC).isoformat().replace("+00:00", "Z")),
    "UTC, as +00:00": instants(lambda at: at.astimezone(UTC).isoformat()),
    "another zone": instants(lambda at: at.astimezone(timezone(timedelta(hours=-7))).isoformat()),
    "milliseconds": instants(lambda at: at.isoformat(timespec="milliseconds")),
    "seconds, cut off": instants(lambda at: at.isoformat(timespec="seconds")),
    "seconds, rounded": instants(lambda at: (at + timedelta(milliseconds=500)).isoformat(timespec="seconds")),
    "no zone": instants(lambda at: at.astimezone(UTC).replace(tzinfo=None).isoformat()),
    "a space for the T": instants(lambda at: at.isoformat(sep=" ")),
    "tags in another order": lambda review: review | {"tags": review["tags"][::-1]},
    "fields in another order": lambda review: dict(reversed(review.items())),
    "nothing, as an empty list": empty_as([]),
    "nothing, as an empty text": empty_as(""),
    "nothing, left out": lambda review: {name: value for name, value in review.items() if value is not None},
    "fields that the API does not write": without("key", "link", "media_links"),
    "fields that only the API writes": with_fields(reply_allowed=True, nps=None, sentiment={"score": 0.5}),
    "photos only on request": with_fields(media_links=[]),
}
# Of which the API tells less than a webhook.
WRITES_LESS = {"fields that the API does not write", "photos only on request"}


def a_review(number: int) -> Review:
    reply = {"id": number, "content": "Merci", "created": "2025-09-05T10:00:00.250000+02:00", "replies": []}
    return make_review(
        number,
        date="2025-07-01T16:10:23.123456+02:00",
        update_date=f"2025-09-04T10:00:{number % 60:02d}.654321+02:00",
        tags=TAGS if number % 2 else [],
        comments=reply if number % 3 else None,
        media_links=["https://example.org/1.jpg"] if number % 4 else [],
    )


class Story:
    """One review: what webhooks tell and what readings show of it, in turn, with the outcomes and the history."""

    def __init__(self) -> None:
        self.record: Record | None = None
        self.at = START
        self.kinds: list[str] = []

    def _apply(self, entry: Entry) -> None:
        settled = settle(self.record, [entry], DEFAULT_WINDOWS)
        assert settled.dead_letters == []
        self.record = settled.record
        self.kinds += [str(change.kind) for change in settled.changes]

    def tell(self, review: Review) -> None:
        self.at += HOUR
        self._apply(Entry(make_delivery_id(self.at, 1), self.at, Source.WEBHOOK, make_body(review)))

    def read(self, shown: Review) -> str:
        """Reconcile; gives the outcome."""
        self.at += HOUR
        body = encode_reading(shown, self.at)
        entry = Entry(make_delivery_id(self.at, 2), self.at, Source.RECONCILIATION, body)
        verdict = judge(self.record, shown["id"], entry, DEFAULT_WINDOWS, asked_about=False)
        if verdict.entry is not None:
            self._apply(verdict.entry)
        return verdict.outcome


@pytest.mark.parametrize("name", NOTATIONS)
def test_the_same_reviews_in_another_form_make_no_history(name: str) -> None:
    write = NOTATIONS[name]
    for number in range(NUMBER):
        story, review = Story(), a_review(number)
        story.tell(review)
        for _evening in range(2):
            assert story.read(write(review)) == SAME
            story.tell(review)
            assert story.read(write(review)) == SAME
            story.at += DAY
        assert story.kinds == ["first_seen"]
        assert story.record is not None
        assert story.record.review == review


@pytest.mark.parametrize("name", NOTATIONS)
def test_what_happens_meanwhile_is_told_once_whoever_tells_it_first(name: str) -> None:
    write = NOTATIONS[name]
    for number in range(NUMBER):
        story, review = Story(), a_review(number)
        story.tell(review)
        story.read(write(review))
        edited = review | {"content": "Edited", "update_date": f"2025-10-10T12:00:{number % 60:02d}.111111+02:00"}
        answered = edited | {"state": "treated"}
        story.at += DAY
        # The webhook of the edit comes first, that of the answer late; between them stand readings.
        story.tell(edited)
        story.read(write(edited))
        story.at += DAY
        story.read(write(answered))
        story.tell(answered)
        story.read(write(answered))
        assert story.kinds == ["first_seen", "updated", "updated"], number
        # A copy of the first delivery within the day is late, whatever notation came in between.
        story.tell(review)
        assert story.record is not None
        assert story.record.review["content"] == "Edited"
        assert story.kinds == ["first_seen", "updated", "updated"]


@pytest.mark.parametrize("name", NOTATIONS)
def test_a_mirror_filled_by_the_api_is_not_changed_by_webhooks_that_say_the_same(name: str) -> None:
    for number in range(NUMBER):
        story, review = Story(), a_review(number)
        story.read(NOTATIONS[name](review))
        for _evening in range(2):
            story.tell(review)
            assert story.read(NOTATIONS[name](review)) == SAME
            story.at += DAY
        added = story.kinds[1:]
        # What the API does not write at all, the first webhook adds.
        assert added in ([], ["updated"]), added
        assert name in WRITES_LESS or added == []
