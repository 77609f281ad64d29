"""Which answers of Partoo become entries, also where they change nothing; and a run's own readings, one by one."""

from typing import Any

import pytest

from mirror.domain.changes import Certainty, Source
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.reading import MAX_LAG_MS, OMITTED_MS, encode_absence, encode_reading
from mirror.domain.record import DEFAULT_WINDOWS, Record, Windows
from mirror.domain.settling import settle
from mirror.reconciliation.judging import OVERTAKEN, SAME, Verdict, judge
from tests.support import make_body, make_deletion, make_review

START = 1_760_000_000_000
SECOND = 1_000
LIVE = make_review()
TAGGED = LIVE | {"tags": [{"id": 1, "label": "food", "color": "#808080"}]}
LATER = MAX_LAG_MS + SECOND


def told(*steps: tuple[dict[str, Any], int]) -> Record:
    """Give the record after webhooks at moments in ms after START."""
    entries = [
        Entry(make_delivery_id(START + at, at % 1000), START + at, Source.WEBHOOK, make_body(review))
        for review, at in steps
    ]
    record = settle(None, entries, DEFAULT_WINDOWS).record
    assert record is not None
    return record


def entry(body: bytes, at: int) -> Entry:
    return Entry(make_delivery_id(START + at, at % 1000), START + at, Source.RECONCILIATION, body)


def reading(review: dict[str, Any], at: int) -> Entry:
    return entry(encode_reading(review, START + at), at + 50)


def judged(
    record: Record | None,
    review: dict[str, Any],
    at: int,
    windows: Windows = DEFAULT_WINDOWS,
    *,
    asked_about: bool = False,
) -> Verdict:
    return judge(record, 34, reading(review, at), windows, asked_about=asked_about)


def test_what_agrees_with_a_proven_record_is_no_entry() -> None:
    verdict = judged(told((LIVE, 0)), LIVE, LATER)
    # It is remembered how the API writes the review: nothing is written otherwise, so there is nothing to remember.
    assert (verdict.outcome, verdict.entry) == (SAME, None)


def test_what_proves_an_unproven_record_is_an_entry_and_counts_as_the_same() -> None:
    record = told((LIVE, 0), (TAGGED, SECOND))
    assert record.certainty is Certainty.UNPROVEN
    verdict = judged(record, TAGGED, LATER)
    assert (verdict.outcome, verdict.fields) == (SAME, ())
    assert verdict.entry is not None
    after = settle(record, [verdict.entry], DEFAULT_WINDOWS).record
    assert after is not None
    assert after.certainty is Certainty.PROVEN


def test_a_field_that_only_the_api_writes_is_an_entry_the_first_time() -> None:
    record, shown = told((LIVE, 0)), LIVE | {"reply_allowed": True}
    verdict = judged(record, shown, LATER)
    assert verdict.outcome == SAME
    assert verdict.entry is not None
    after = settle(record, [verdict.entry], DEFAULT_WINDOWS).record
    assert judged(after, shown, LATER + SECOND).entry is None


@pytest.mark.parametrize("asked_about", [True, False])
def test_what_agrees_closes_an_open_question(*, asked_about: bool) -> None:
    verdict = judged(told((LIVE, 0)), LIVE, LATER, asked_about=asked_about)
    assert (verdict.outcome, verdict.entry is not None) == (SAME, asked_about)


@pytest.mark.parametrize(("asked_about", "entered"), [(False, True), (True, False)])
def test_what_differs_while_the_search_may_lag_puts_a_question_unless_there_is_one(
    *, asked_about: bool, entered: bool
) -> None:
    verdict = judged(told((TAGGED, 0)), LIVE, 3 * SECOND, asked_about=asked_about)
    assert (verdict.outcome, verdict.entry is not None) == (OVERTAKEN, entered)
    assert verdict.reason == "Partoo's search may not show yet what a delivery has told"


def test_the_windows_of_the_deployment_say_for_how_long_a_search_may_lag() -> None:
    record = told((TAGGED, 0))
    assert judged(record, LIVE, 30 * SECOND).outcome == OVERTAKEN
    assert judged(record, LIVE, 30 * SECOND, Windows(redelivery=10 * SECOND)).outcome == "updated"


def test_an_absence_says_nothing_of_a_review_of_the_last_day() -> None:
    record = told((LIVE, 0))

    def absent(at: int) -> Verdict:
        return judge(record, 34, entry(encode_absence(LIVE, START + at), at + 50), DEFAULT_WINDOWS, asked_about=False)

    assert (absent(OMITTED_MS - SECOND).outcome, absent(OMITTED_MS - SECOND).entry) == (OVERTAKEN, None)
    assert absent(OMITTED_MS + SECOND).outcome == "vanished"


@pytest.mark.parametrize("between_ms", [0, 1, 5 * SECOND])
def test_the_readings_of_one_run_are_applied_in_the_order_in_which_they_were_asked_for(between_ms: int) -> None:
    record = told((LIVE, 0))
    first, second = make_deletion(LIVE), LIVE | {"rating": 1}
    both = [reading(first, LATER), reading(second, LATER + between_ms)]
    settled = settle(record, both, DEFAULT_WINDOWS)
    assert [decision.outcome for decision in settled.decisions] == ["vanished", "reappeared"]
    assert settled.record is not None
    assert settled.record.review == second
    # Should they wait in the other order, the one that was asked for later still counts.
    swapped = settle(record, both[::-1], DEFAULT_WINDOWS)
    assert swapped.record is not None
    assert between_ms == 0 or swapped.record.review == second


def test_a_run_that_fills_the_mirror_and_then_sees_a_deletion_takes_both() -> None:
    entries = [reading(LIVE, 0), reading(make_deletion(LIVE), SECOND)]
    assert [one.outcome for one in settle(None, entries, DEFAULT_WINDOWS).decisions] == ["first_seen", "vanished"]
