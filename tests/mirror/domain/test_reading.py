"""Readings: what Partoo's API says is taken for true, unless a delivery has overtaken it; and what is worth asking."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.domain.changes import Certainty, Kind, Source
from mirror.domain.decisions import Asking, Decision
from mirror.domain.history import first_payload, replay
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.lifecycle import Status
from mirror.domain.reading import OVERTAKEN_MS, encode_reading
from mirror.domain.record import Record
from mirror.domain.settling import Settled, settle
from mirror.views import record_view
from tests.mirror.domain.stories import DAY, MINUTE, SECOND, START, WINDOWS
from tests.support import make_body, make_deletion, make_review

LIVE = make_review(rating=4)
SAME_CLOCK = make_review(rating=2)
DELETION = make_deletion(LIVE)
Told = tuple[str, dict[str, Any], int]


def entry(kind: str, review: dict[str, Any], at: int, observed_at: int | None = None) -> Entry:
    when = START + at
    if kind == "webhook":
        return Entry(make_delivery_id(when, at % 1000), when, Source.WEBHOOK, make_body(review))
    body = encode_reading(review, when - 100 if observed_at is None else START + observed_at)
    return Entry(make_delivery_id(when, at % 1000), when, Source.VERIFICATION, body)


def tell(*told: Told) -> Settled:
    return settle(None, [entry(*one) for one in told], WINDOWS)


def last(*told: Told) -> Decision:
    return tell(*told).decisions[-1]


@pytest.mark.parametrize(
    ("before", "answer", "outcome", "status"),
    [
        ([LIVE], SAME_CLOCK, "updated", Status.LIVE),
        ([LIVE], DELETION, "vanished", Status.MISSING),
        ([LIVE, DELETION], LIVE, "reappeared", Status.LIVE),
        ([LIVE, DELETION], DELETION | {"title": "?"}, "updated", Status.MISSING),
        ([LIVE], LIVE, "unchanged", Status.LIVE),
        ([LIVE, DELETION], DELETION, "unchanged", Status.MISSING),
    ],
)
def test_an_answer_becomes_the_state_as_a_change_of_its_own(
    before: list[dict[str, Any]], answer: dict[str, Any], outcome: str, status: Status
) -> None:
    told: list[Told] = [("webhook", review, number * DAY) for number, review in enumerate(before)]
    decision = last(*told, ("verification", answer, 9 * DAY))
    assert (decision.outcome, decision.record.status) == (outcome, status)
    assert decision.record.review == answer
    assert decision.delivery.source is Source.VERIFICATION
    assert decision.change is None or decision.change.source is Source.VERIFICATION


def test_an_answer_about_a_review_never_seen_is_its_first_sight() -> None:
    decision = last(("verification", LIVE, 0))
    assert decision.outcome == "first_seen"


def test_an_ambiguous_return_that_partoo_confirms_is_no_longer_ambiguous_and_history_says_so() -> None:
    told: list[Told] = [("webhook", LIVE, 0), ("webhook", DELETION, MINUTE), ("webhook", LIVE, 2 * MINUTE)]
    assert last(*told).record.ambiguous
    decision = last(*told, ("verification", LIVE, 3 * MINUTE))
    assert decision.change is not None
    assert (decision.change.kind, decision.change.fields) == (Kind.CONFIRMED, {})
    assert not decision.record.ambiguous
    assert decision.record.status is Status.LIVE


def test_an_ambiguous_return_that_partoo_denies_is_taken_back() -> None:
    told: list[Told] = [("webhook", LIVE, 0), ("webhook", DELETION, MINUTE), ("webhook", LIVE, 2 * MINUTE)]
    once = last(*told, ("verification", DELETION, 4 * MINUTE))
    assert (once.outcome, once.record.ambiguous, once.question.asking) == ("stale", True, Asking.ASK)
    decision = last(*told, ("verification", DELETION, 4 * MINUTE), ("verification", DELETION, 5 * MINUTE + SECOND))
    assert decision.outcome == "vanished"
    assert decision.record.status is Status.MISSING
    assert decision.record.last_live == LIVE
    assert (decision.record.certainty, decision.question.asking) == (Certainty.UNPROVEN, Asking.ASK)


def test_while_a_lagging_search_may_still_show_the_state_before_an_ambiguous_one_stays() -> None:
    told: list[Told] = [("webhook", LIVE, 0), ("webhook", DELETION, MINUTE), ("webhook", LIVE, 2 * MINUTE)]
    decision = last(*told, ("verification", DELETION, 2 * MINUTE + 30 * SECOND))
    assert (decision.outcome, decision.record.ambiguous) == ("stale", True)
    # Asked again after as long as since the delivery.
    assert decision.question.not_before == START + 3 * MINUTE - 200


@pytest.mark.parametrize("asked_before", [0, OVERTAKEN_MS - 1, 10 * SECOND])
def test_an_answer_that_a_delivery_may_have_overtaken_changes_nothing_and_is_asked_for_again(asked_before: int) -> None:
    at = 5 * MINUTE
    settled = settle(
        None,
        [
            entry("webhook", LIVE, at),
            entry("verification", DELETION, at + 20 * SECOND, observed_at=at - asked_before + OVERTAKEN_MS - 1),
        ],
        WINDOWS,
    )
    assert settled.decisions[-1].outcome == "stale"
    assert settled.record is not None
    assert settled.record.status is Status.LIVE
    assert settled.question.asking is Asking.ASK


def test_an_answer_older_than_what_a_delivery_has_shown_changes_nothing() -> None:
    newer = make_review(rating=5, update_date="2025-09-05T10:00:00.000000+02:00")
    settled = tell(("webhook", newer, 0), ("verification", LIVE, 5 * MINUTE))
    assert settled.decisions[-1].outcome == "stale"
    assert settled.record == settled.decisions[0].record
    assert settled.question.asking is Asking.ASK


def test_an_answer_that_is_refused_does_not_make_the_next_one_look_overtaken() -> None:
    newer = make_review(rating=5, update_date="2025-09-05T10:00:00.000000+02:00")
    decision = last(("webhook", newer, 0), ("verification", LIVE, 5 * MINUTE))
    assert decision.record.last_received_at == START


def test_what_partoo_still_says_long_after_a_delivery_is_true_whatever_its_clock() -> None:
    newer = make_review(rating=5, update_date="2025-09-05T10:00:00.000000+02:00")
    decision = last(("webhook", newer, 0), ("verification", LIVE, DAY))
    assert (decision.outcome, decision.record.review) == ("updated", LIVE)


def test_an_answer_whose_clock_is_written_less_finely_is_neither_older_nor_a_change() -> None:
    finely = make_review(update_date="2025-09-04T10:00:00.250000+02:00")
    coarsely = finely | {"update_date": "2025-09-04T08:00:00Z"}
    decision = last(("webhook", finely, 0), ("verification", coarsely, MINUTE))
    assert (decision.outcome, decision.record.review) == ("unchanged", finely)


def test_an_entry_that_does_not_tell_when_partoo_was_asked_is_a_dead_letter() -> None:
    nameless = Entry(make_delivery_id(START, 1), START, Source.VERIFICATION, make_body(LIVE))
    settled = settle(None, [nameless], WINDOWS)
    assert [letter.code for letter in settled.dead_letters] == ["not_a_reading"]


# What is worth asking


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ([("webhook", LIVE, 0)], False),
        ([("webhook", LIVE, 0), ("webhook", LIVE, MINUTE)], False),
        ([("webhook", LIVE, 0), ("webhook", SAME_CLOCK, MINUTE)], True),
        ([("webhook", LIVE, 0), ("webhook", SAME_CLOCK, DAY)], False),
        ([("webhook", LIVE, 0), ("webhook", make_review(update_date="2025-09-05T10:00:00Z"), MINUTE)], False),
        ([("webhook", LIVE, 0), ("webhook", make_deletion(LIVE, None), MINUTE)], True),
        ([("webhook", LIVE, 0), ("webhook", DELETION, DAY)], False),
        ([("webhook", LIVE, 0), ("webhook", DELETION, DAY), ("webhook", LIVE, DAY + MINUTE)], True),
        ([("webhook", LIVE, 0), ("webhook", DELETION, DAY), ("webhook", LIVE, 4 * DAY)], False),
        ([("webhook", LIVE, 0), ("webhook", DELETION, MINUTE), ("verification", DELETION, 2 * MINUTE)], False),
        ([("webhook", DELETION, 0), ("webhook", LIVE, MINUTE)], True),
    ],
)
def test_partoo_is_worth_asking_where_neither_clock_nor_time_proves_the_news(told: list[Told], *, wanted: bool) -> None:
    settled = [settle(None, [], WINDOWS)]
    for one in told:
        settled.append(settle(settled[-1].record, [entry(*one)], WINDOWS))
    assert (settled[-1].question.asking is Asking.ASK) is wanted


def test_a_deletion_dated_after_the_last_delivery_is_proven_and_one_dated_before_it_is_not() -> None:
    def deleted(date: str) -> Decision:
        return last(("webhook", LIVE, 0), ("webhook", make_deletion(LIVE, delete_date=date), 5 * MINUTE))

    # The first delivery is accepted at 08:53:20; the clocks may differ by a minute.
    assert deleted("2025-10-09T08:54:20.000001Z").certainty is Certainty.PROVEN
    assert deleted("2025-10-09T08:54:20Z").certainty is Certainty.UNPROVEN
    assert deleted("2025-10-09T08:50:00Z").certainty is Certainty.UNPROVEN


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["webhook", "verification"]),
            st.sampled_from([LIVE, SAME_CLOCK, DELETION, make_review(update_date="2025-09-05T10:00:00Z")]),
            st.sampled_from([0, SECOND, MINUTE, DAY]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_the_history_tells_the_record_however_answers_and_deliveries_mix(
    steps: list[tuple[str, dict[str, Any], int]],
) -> None:
    at, entries = 0, []
    for kind, review, gap in steps:
        at += gap
        entries.append(entry(kind, review, at))
    settled = settle(None, entries, WINDOWS)
    assert settled.record is not None
    assert settled.dead_letters == []
    told = replay(first_payload(settled.record, settled.changes), settled.changes)
    assert shown(told) == shown(settled.record)
    assert told is not None
    assert told.certainty is settled.changes[-1].certainty


def shown(record: Record | None) -> str:
    assert record is not None
    # Deliveries that change nothing may lower the certainty of a review, and answers may raise it.
    view = record_view(msgspec.structs.replace(record, last_received_at=0, unproven=False))
    return json.dumps(view, sort_keys=True)
