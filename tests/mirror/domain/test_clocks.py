"""What a clock in a review proves: its precision, its plausibility, and like compared with like."""

from typing import Any

import pytest

from mirror.domain.changes import Certainty
from mirror.domain.clocks import (
    FUTURE_TOLERANCE_MS,
    Instant,
    Order,
    Payload,
    age_of,
    clock_of,
    compare,
    deleted_at,
    instant,
    order,
    same_instant,
)
from tests.mirror.domain.stories import DAY, MINUTE, START, last, outcomes, tell
from tests.support import make_deletion, make_review

SECOND = 1_000_000
BASE = make_review(date="2025-03-01T09:00:00+01:00", update_date="2025-09-04T10:12:00.000000+02:00")


def shown(received_at: int = START, **fields: Any) -> Payload:
    return Payload(make_review(**fields), received_at)


def one(text: str) -> Instant:
    found = instant(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "precision"),
    [
        ("2025-09-04T10:00:00.123456+02:00", 1),
        ("2025-09-04T08:00:00.123Z", 1_000),
        ("2025-09-04T08:00:00.1Z", 100_000),
        ("2025-09-04T08:00:00,123Z", 1_000),
        ("2025-09-04T08:00:00Z", SECOND),
        ("2025-09-04 08:00:00", SECOND),
        ("20250904T080000Z", SECOND),
        ("2025-09-04T08:00Z", 60 * SECOND),
        ("2025-09-04T08+00:00", 3_600 * SECOND),
        ("2025-09-04", 86_400 * SECOND),
    ],
)
def test_the_notation_of_a_moment_tells_how_precise_it_is(text: str, precision: int) -> None:
    assert one(text).precision == precision


@pytest.mark.parametrize(
    "value",
    [None, "", "yesterday", "2025-09-05T10:12:00 UTC", "2025-13-01T00:00:00Z", 1_757_000_000, True, {}, [], "2" * 99],
)
def test_what_cannot_be_read_is_no_moment(value: Any) -> None:
    assert instant(value) is None


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("2025-09-04T08:00:00.1Z", "2025-09-04T08:00:00.2Z", Order.OLDER),
        ("2025-09-04T08:00:00.9Z", "2025-09-04T08:00:00Z", Order.SAME),
        ("2025-09-04T08:00:00Z", "2025-09-04T08:00:00.9Z", Order.SAME),
        ("2025-09-04T08:00:01Z", "2025-09-04T08:00:00.9Z", Order.NEWER),
        ("2025-09-04", "2025-09-04T23:59:59Z", Order.SAME),
        ("2025-09-04", "2025-09-05T00:00:00Z", Order.OLDER),
        ("2025-09-04T10:12+02:00", "2025-09-04T08:12:59Z", Order.SAME),
        ("2025-09-04T10:00:00+03:00", "2025-09-04T08:00:00Z", Order.OLDER),
        ("never", "2025-09-04T08:00:00Z", Order.UNKNOWN),
    ],
)
def test_two_moments_are_compared_at_the_precision_of_the_coarser_one(first: str, second: str, expected: Order) -> None:
    opposite = {Order.OLDER: Order.NEWER, Order.NEWER: Order.OLDER}
    assert order(instant(first), instant(second)) is expected
    assert order(instant(second), instant(first)) is opposite.get(expected, expected)


def test_a_coarser_notation_may_be_cut_off_or_rounded() -> None:
    fine = one("2025-09-04T08:00:00.6546Z")
    for coarse, same in (
        ("2025-09-04T08:00:00.654Z", True),
        ("2025-09-04T08:00:00.655Z", True),
        ("2025-09-04T08:00:01Z", True),
        ("2025-09-04T08:00:00Z", True),
        ("2025-09-04T08:00:02Z", False),
        ("2025-09-04T08:00:00.656Z", False),
    ):
        assert same_instant(fine, one(coarse)) is same
        assert same_instant(one(coarse), fine) is same


# Plausibility


@pytest.mark.parametrize(("late_us", "usable"), [(0, True), (1, False)])
def test_a_clock_may_lie_five_minutes_after_receipt_and_no_later(late_us: int, *, usable: bool) -> None:
    text = f"2025-10-09T08:58:20.{late_us:06}Z"
    assert FUTURE_TOLERANCE_MS == 5 * MINUTE
    assert one(text).at == (START + FUTURE_TOLERANCE_MS) * 1_000 + late_us
    assert (clock_of(shown(update_date=text)) is not None) is usable


def test_a_clock_before_the_reviews_own_date_proves_nothing() -> None:
    date = "2025-07-01T16:10:23.156000+02:00"
    assert clock_of(shown(date=date, update_date="2025-07-01T14:10:23.155999Z")) is None
    assert clock_of(shown(date=date, update_date="2025-07-01T14:10:23.156Z")) is not None
    assert clock_of(shown(date=date, update_date="2025-07-01")) is not None  # the same day
    assert clock_of(shown(date="who knows", update_date="2001-01-01T00:00:00Z")) is not None
    assert deleted_at(shown(date=date, delete_date="2025-07-01T14:10:23.155999Z")) is None


# Like with like


@pytest.mark.parametrize("missing", [..., None, ""])
def test_date_is_the_clock_only_where_neither_side_has_an_update_date(missing: Any) -> None:
    older = shown(update_date=missing, date="2025-07-01T10:00:00Z")
    newer = shown(update_date=missing, date="2025-07-02T10:00:00Z")
    assert compare(older, newer) is Order.OLDER
    for update_date in ("2025-09-04T10:00:00Z", "noon"):
        clocked = shown(update_date=update_date, date="2025-07-02T10:00:00Z")
        assert compare(older, clocked) is compare(clocked, older) is Order.UNKNOWN


def test_the_age_of_a_deletion_is_its_delete_date_that_of_others_their_clock() -> None:
    review = make_review(date="2025-07-01", update_date="2025-09-04T08:00Z")
    assert age_of(Payload(review, START)) == ("update_date", one("2025-09-04T08:00Z"))
    assert age_of(Payload(review | {"update_date": None}, START)) == ("date", one("2025-07-01"))
    assert age_of(Payload(make_deletion(review, "2025-09-10"), START)) == ("delete_date", one("2025-09-10"))
    assert age_of(Payload(make_deletion(review, None), START)) == ("delete_date", None)


# Long after every window, as outsiders tried it

LONG_AFTER = 30 * DAY / MINUTE


def with_clock(review: dict[str, Any], update_date: Any) -> dict[str, Any]:
    return {name: value for name, value in (review | {"update_date": update_date}).items() if value is not ...}


@pytest.mark.parametrize("update_date", [..., None, "2025-09-05T10:12:00 UTC", "2099-01-01T00:00:00Z", "1970-01-01"])
def test_the_next_edit_is_applied_whatever_became_of_its_clock_and_says_that_it_is_unproven(update_date: Any) -> None:
    edited = with_clock(BASE | {"rating": 5}, update_date)
    decision = last((BASE, 0), (edited, LONG_AFTER))
    assert (decision.outcome, decision.certainty, decision.record.review) == ("updated", Certainty.UNPROVEN, edited)


@pytest.mark.parametrize("update_date", [..., "2099-01-01T00:00:00Z", "2025-09-05T10:12:00 UTC"])
def test_right_edits_after_an_odd_clock_are_applied_at_once_and_proven_again_a_day_later(update_date: Any) -> None:
    first, second = (BASE | {"rating": day, "update_date": f"2025-09-0{day}T10:00Z"} for day in (4, 5))
    third = BASE | {"update_date": "2025-09-06T10:00Z"}
    decisions = tell((with_clock(BASE, update_date), 0), (first, 10), (second, 20), (third, 21 + DAY / MINUTE))
    assert [decision.outcome for decision in decisions] == ["first_seen", "updated", "updated", "updated"]
    unproven = Certainty.UNPROVEN
    assert [decision.certainty for decision in decisions[1:]] == [unproven, unproven, Certainty.PROVEN]


@pytest.mark.parametrize("update_date", [..., None, "noon", "2099-01-01T00:00:00Z"])
def test_a_vanished_review_returns_whatever_became_of_its_clock(update_date: Any) -> None:
    decision = last((BASE, 0), (make_deletion(BASE), 60), (with_clock(BASE, update_date), LONG_AFTER))
    assert (decision.outcome, decision.record.status) == ("reappeared", "live")
    assert decision.certainty is Certainty.UNPROVEN


def test_a_late_review_created_does_not_win_unmarked_over_the_edit_after_it() -> None:
    created = BASE | {"update_date": "2025-03-01T09:00:00+01:00", "rating": 1}
    assert outcomes((BASE, 0), (created, 5)) == ["first_seen", "stale"]
    decision = last((BASE, 0), (with_clock(created, ...), 5))
    assert (decision.outcome, decision.certainty) == ("updated", Certainty.UNPROVEN)
