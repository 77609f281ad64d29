"""Silence: what is learned from the last eight weeks, and when deliveries have stayed away for too long."""

import pytest

from mirror.domain.silence import (
    FACTOR,
    HOUR_MS,
    HOURS_KEPT,
    HOURS_OF_WEEK,
    MISSED_LEAST,
    SHORTEST_LIMIT_MS,
    Hour,
    Judgement,
    judge,
    learn,
    limit_of,
)

MINUTE_MS = 60_000
# A Thursday, 00:00 UTC, as every number of hours since 1970 that is divisible by those of a week.
NOW = 3_000 * HOURS_OF_WEEK


def regular(an_hour: int, *, weeks: int = 8, nights: bool = False) -> dict[int, Hour]:
    """Make hours in which so many deliveries come evenly; from 22 to 8 none, with `nights`."""
    hours = {}
    for number in range(NOW - weeks * HOURS_OF_WEEK, NOW):
        of_day = number % 24
        slept = (of_day + 3) % 24 if of_day >= 22 else of_day + 3
        if nights and not 8 <= of_day < 22:
            hours[number] = Hour(0, slept * HOUR_MS)
        else:
            wait = HOUR_MS // an_hour + (10 * HOUR_MS if nights and of_day == 8 else 0)
            hours[number] = Hour(an_hour, wait)
    return hours


def limit(hours: dict[int, Hour], last: int = NOW * HOUR_MS) -> int | None:
    return judge(hours, last, last, None).limit


def test_before_two_weeks_are_known_it_is_never_silent() -> None:
    for weeks in (0, 1):
        assert judge(regular(10, weeks=weeks), 0, 10**15, None) == Judgement(None, None, None)
    assert limit(regular(10, weeks=2)) is not None


def test_it_is_silent_once_the_usual_longest_gap_has_passed_two_and_a_half_times() -> None:
    hours = dict.fromkeys(range(NOW - HOURS_KEPT, NOW), Hour(1, 3 * HOUR_MS))
    last = NOW * HOUR_MS
    expected = round(FACTOR * 3 * HOUR_MS)
    assert judge(hours, last, last + expected, None) == Judgement(None, 3 * HOUR_MS, expected)
    assert judge(hours, last, last + expected + 1, None) == Judgement(last, 3 * HOUR_MS, expected)


def test_a_given_time_takes_the_place_of_what_is_learned_and_0_means_never() -> None:
    last = NOW * HOUR_MS
    for hours, usual in ((regular(10), 6 * MINUTE_MS), ({}, None)):
        assert judge(hours, last, last + 2 * HOUR_MS, HOUR_MS) == Judgement(last, usual, HOUR_MS)
        assert judge(hours, last, last + 99 * HOURS_KEPT * HOUR_MS, 0) == Judgement(None, usual, None)


def test_a_gap_that_goes_on_is_not_learned_from() -> None:
    hours = regular(10)
    last = (NOW - 30) * HOUR_MS + 1
    for number in range(NOW - 30, NOW):
        hours[number] = Hour(0, (number + 1) * HOUR_MS - last)
    assert limit(hours, last) == limit(regular(10), last)


@pytest.mark.parametrize("wait_h", [20, 100])
def test_one_week_with_an_incident_or_a_holiday_changes_nothing(wait_h: int) -> None:
    hours = regular(10, nights=True)
    for number in range(NOW - HOURS_OF_WEEK, NOW):
        hours[number] = Hour(50_000 if number % 5 else 0, wait_h * HOUR_MS)
    assert limit(hours) == limit(regular(10, nights=True))


def test_by_day_a_stop_is_noticed_before_a_night_could_have_passed() -> None:
    hours = regular(50, nights=True)
    morning, evening = (NOW + 9) * HOUR_MS, (NOW + 21) * HOUR_MS
    assert learn(hours, NOW).usual_gap > 10 * HOUR_MS  # type: ignore[union-attr]
    # Hours that border on the night count for nothing, as clocks are put back and forth.
    in_the_morning, in_the_evening = limit(hours, morning), limit(hours, evening)
    assert in_the_morning is not None
    assert in_the_evening is not None
    assert in_the_morning < 3 * HOUR_MS
    assert 12 * HOUR_MS < in_the_evening < 16 * HOUR_MS


def test_at_least_a_hundred_deliveries_must_be_missed_for_that() -> None:
    rhythm = learn(regular(20, nights=True), NOW)
    assert rhythm is not None
    assert rhythm.missed * 10 < MISSED_LEAST
    assert limit_of(rhythm, (NOW + 9) * HOUR_MS) == MISSED_LEAST // 20 * HOUR_MS


def test_where_whole_days_are_usually_quiet_the_missed_ones_do_not_count_as_holidays_are_quiet_too() -> None:
    hours = {
        number: Hour(50, 64 * HOUR_MS if number % HOURS_OF_WEEK == 104 else HOUR_MS)
        for number in range(NOW - HOURS_KEPT, NOW)
    }
    rhythm = learn(hours, NOW)
    assert rhythm is not None
    assert rhythm.rates == ()
    assert limit_of(rhythm, NOW * HOUR_MS) == round(FACTOR * 64 * HOUR_MS)


def test_it_is_never_silent_within_five_minutes() -> None:
    assert limit(regular(3_600)) == SHORTEST_LIMIT_MS


def test_where_few_come_more_weeks_are_taken_together() -> None:
    # One every three days: in two weeks four or five, in four weeks nine.
    hours = dict.fromkeys(range(NOW - HOURS_KEPT, NOW), Hour(0, 24 * HOUR_MS))
    for number in range(NOW - HOURS_KEPT, NOW, 72):
        hours[number] = Hour(1, 72 * HOUR_MS)
    rhythm = learn(hours, NOW)
    assert rhythm is not None
    assert (rhythm.usual_gap, rhythm.rates) == (72 * HOUR_MS, ())


def test_where_hardly_any_come_it_is_never_silent() -> None:
    hours = dict.fromkeys(range(NOW - HOURS_KEPT, NOW), Hour(0, 24 * HOUR_MS))
    hours |= {NOW - place: Hour(1, 500 * HOUR_MS) for place in (100, 500, 900)}
    assert learn(hours, NOW) is None


def test_a_week_that_was_hardly_watched_counts_for_nothing() -> None:
    hours = regular(10)
    stopped = range(NOW - 2 * HOURS_OF_WEEK, NOW - HOURS_OF_WEEK - 60)
    assert limit({number: hour for number, hour in hours.items() if number not in stopped}) == limit(hours)
    kept = {number: hour for number, hour in hours.items() if number % HOURS_OF_WEEK < 100}
    assert limit(kept) is None


def test_what_is_older_than_eight_weeks_counts_for_nothing() -> None:
    hours = regular(10)
    old = dict.fromkeys(range(NOW - 3 * HOURS_KEPT, NOW - HOURS_KEPT), Hour(0, 1_000 * HOUR_MS))
    assert limit(hours | old) == limit(hours)
