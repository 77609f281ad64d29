"""Ratings over time: what was shown, and what was so, against a slow model that folds every history."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.domain.changes import Source
from mirror.domain.history import as_of
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.lifecycle import Status
from mirror.domain.ratings import Track, moments, points_of, series
from mirror.domain.record import Record, Windows
from mirror.domain.settling import settle
from tests.support import make_body, make_deletion, make_review

START = 1_757_664_000_000
DAY = 86_400_000
WINDOWS = Windows()
# What may happen to a review on a day: an edit to a rating, a deletion, a return, a day of silence.
EVENTS = st.sampled_from([1, 2, 5, None, "deleted", "back", "quiet"])
LIVES = st.lists(st.lists(EVENTS, min_size=1, max_size=8), min_size=1, max_size=6)


def live_through(review_id: int, events: list[Any]) -> tuple[Record, list[Any]]:
    """Apply one event a day, every second day; what goes missing for good is told by the last status."""
    record, changes, shown = None, [], make_review(review_id)
    for day, event in enumerate(events):
        at = START + 2 * day * DAY
        clock = f"2025-09-{12 + 2 * day:02d}T10:00:00+02:00"
        if event == "quiet":
            continue
        if event == "deleted":
            body = make_deletion(shown, clock)
        elif event == "back":
            body = shown
        else:
            shown = shown | {"rating": event, "recommended": event is None or None, "update_date": clock}
            body = shown
        entry = Entry(make_delivery_id(at, day), at, Source.WEBHOOK, make_body(body))
        settled = settle(record, [entry], WINDOWS)
        record = settled.record
        changes += settled.changes
    assert record is not None
    return record, changes


def slow(histories: list[tuple[Record, list[Any]]], moment: int, *, adjusted: bool) -> list[Any]:
    """List the ratings that count at a moment, each history folded anew."""
    counted = []
    for record, changes in histories:
        then = as_of(record, changes, moment)
        if then is None or changes[0].received_at > moment:
            continue
        returns = any(one.kind == "reappeared" and one.received_at > moment for one in changes)
        if then.status is Status.LIVE:
            counted.append(then.review["rating"])
        elif adjusted and then.live_snapshot is not None and (returns or record.status is not Status.GONE):
            counted.append(then.live_snapshot["rating"])
    return counted


@given(LIVES)
def test_both_ratings_are_what_folding_every_history_gives(lives: list[list[Any]]) -> None:
    histories = [live_through(number, ["back", *events]) for number, events in enumerate(lives)]
    wanted = [START + hours * 3_600_000 for hours in range(-12, 24 * 20, 12)]
    tracks = [Track("google_my_business", points_of(*history)) for history in histories]
    for moment, found in zip(wanted, series(tracks, wanted), strict=True):
        for rating, adjusted in ((found.shown, False), (found.adjusted, True)):
            values = slow(histories, moment, adjusted=adjusted)
            rated = [value for value in values if value is not None]
            assert (rating.count, rating.count_unrated) == (len(rated), len(values) - len(rated))
            assert rating.average == (round(sum(rated) / len(rated), 4) if rated else None)
            assert rating.stars == {str(star): rated.count(star) for star in range(1, 6)}


def story(*events: Any) -> Track:
    return Track("google_my_business", points_of(*live_through(34, ["back", *events])))


def test_a_review_that_came_back_never_left_the_adjusted_rating() -> None:
    (then,) = series([story("deleted", "quiet", "back")], [START + 3 * DAY])
    assert (then.shown.count, then.adjusted.count) == (0, 1)


def test_one_whose_absence_is_undecided_still_counts() -> None:
    (then,) = series([story("deleted")], [START + 30 * DAY])
    assert (then.shown.count, then.adjusted.count) == (0, 1)


def test_one_that_is_gone_left_when_it_vanished() -> None:
    track = story("deleted")
    gone = Track(track.partner, (*track.points, track.points[-1].__class__(START + 9 * DAY, Status.GONE, 3_000)))
    before, after = series([gone], [START + DAY, START + 3 * DAY])
    assert (before.adjusted.count, after.adjusted.count) == (1, 0)


def test_reviews_without_a_rating_count_apart() -> None:
    (then,) = series([story(None)], [START + 5 * DAY])
    assert (then.shown.count, then.shown.count_unrated, then.shown.average) == (0, 1, None)
    assert (then.shown.recommended, then.shown.not_recommended) == (1, 0)


@pytest.mark.parametrize(
    ("interval", "found"),
    [
        ("day", ["2025-12-30", "2025-12-31", "2026-01-01", "2026-01-02"]),
        ("week", ["2025-12-29"]),
        ("month", ["2026-01-01"]),
    ],
)
def test_buckets_begin_with_the_day_the_monday_the_month_in_utc(interval: str, found: list[str]) -> None:
    start = datetime(2025, 12, 29 if interval == "week" else 30, tzinfo=UTC)
    end = datetime(2026, 1, 2, 12, tzinfo=UTC)
    listed = moments(int(start.timestamp() * 1000), int(end.timestamp() * 1000), interval)
    assert [datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d") for at in listed] == found
