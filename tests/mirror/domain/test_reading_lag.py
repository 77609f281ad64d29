"""A search that lags behind the webhooks: nothing is set back, open questions stay open, and the next look settles."""

from typing import Any

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from mirror.domain.changes import Certainty, Source
from mirror.domain.decisions import Asking, Decision
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.reading import MAX_LAG_MS, OVERTAKEN_MS, encode_reading, take
from mirror.domain.record import DEFAULT_WINDOWS, Delivery, Record, Windows
from mirror.domain.reducer import reduce
from mirror.domain.settling import Settled, settle
from tests.mirror.domain.stories import DAY, MINUTE, SECOND, START, WINDOWS
from tests.mirror.domain.true_lives import LIVES, Review, Step, deliveries, life
from tests.support import make_body, make_deletion, make_review

LIVE = make_review()
TAGGED = LIVE | {"tags": [{"id": 1, "label": "food"}]}  # with the same clock
DELETED = make_deletion(LIVE)
EDITED = LIVE | {"rating": 5, "update_date": "2025-10-09T08:54:00Z"}


def told(review: dict[str, Any], at: int) -> Entry:
    return Entry(make_delivery_id(START + at, 1), START + at, Source.WEBHOOK, make_body(review))


def read(review: dict[str, Any], at: int, source: Source = Source.RECONCILIATION) -> Entry:
    """Make a reading for which Partoo was asked at that moment."""
    return Entry(make_delivery_id(START + at, 2), START + at + 100, source, encode_reading(review, START + at))


def settled(*entries: Entry, windows: Windows = WINDOWS) -> Settled:
    return settle(None, entries, windows)


def last(*entries: Entry, windows: Windows = WINDOWS) -> Decision:
    return settled(*entries, windows=windows).decisions[-1]


@pytest.mark.parametrize("news", [TAGGED, DELETED, EDITED])
@pytest.mark.parametrize("source", [Source.VERIFICATION, Source.RECONCILIATION])
def test_a_reading_of_the_state_before_a_delivery_sets_nothing_back_and_leaves_the_question_open(
    news: dict[str, Any], source: Source
) -> None:
    story = settled(told(LIVE, -DAY // 2), told(news, 0))
    decision = settle(story.record, [read(LIVE, 3 * SECOND, source)], WINDOWS).decisions[-1]
    assert decision.outcome == "stale"
    assert msgspec.structs.replace(decision.record, denied_at=0) == story.record
    assert decision.question.asking is Asking.ASK


@pytest.mark.parametrize(("after_ms", "outcome"), [(-1, "stale"), (0, "updated")])
@pytest.mark.parametrize("redelivery", [MAX_LAG_MS // 2, 2 * MAX_LAG_MS])
def test_the_search_may_lag_for_ten_minutes_or_the_redelivery_window_if_that_is_shorter(
    redelivery: int, after_ms: int, outcome: str
) -> None:
    lag = min(redelivery, MAX_LAG_MS)
    entries = told(LIVE, -DAY // 2), told(TAGGED, 0), read(LIVE, lag + after_ms)
    decision = last(*entries, windows=Windows(redelivery=redelivery))
    assert decision.outcome == outcome
    assert decision.record.certainty is (Certainty.PROVEN if outcome == "updated" else Certainty.UNPROVEN)


@pytest.mark.parametrize(
    ("asked_at", "look_at"), [(3 * SECOND, 6 * SECOND), (MINUTE, 2 * MINUTE), (6 * MINUTE, MAX_LAG_MS)]
)
def test_partoo_is_asked_again_later_and_later_and_at_the_latest_when_the_search_must_have_caught_up(
    asked_at: int, look_at: int
) -> None:
    question = last(told(LIVE, -DAY // 2), told(TAGGED, 0), read(LIVE, asked_at)).question
    assert question.not_before == START + look_at


def test_a_reading_with_a_newer_clock_counts_while_the_search_may_lag() -> None:
    newer = EDITED | {"update_date": "2025-10-09T08:53:50Z"}
    decision = last(told(LIVE, 0), read(newer, 40 * SECOND))
    assert (decision.outcome, decision.certainty) == ("updated", Certainty.PROVEN)


def test_a_deletion_counts_while_the_search_may_lag_if_it_is_dated_after_the_last_delivery() -> None:
    for date, outcome in (("2025-10-09T08:54:21Z", "vanished"), ("2025-10-09T08:54:20Z", "stale")):
        assert last(told(LIVE, 0), read(make_deletion(LIVE, date), 2 * MINUTE)).outcome == outcome


def test_a_newer_clock_than_that_of_a_late_copy_does_not_count_while_the_search_may_lag() -> None:
    """True: four edits within seconds, one without a clock. The last arrives first, the search shows the third."""
    edits = [LIVE | {"rating": number, "update_date": f"2025-10-09T08:53:2{number}Z"} for number in range(5)]
    story = told(edits[4], 0), told(edits[2] | {"update_date": None}, SECOND), told(edits[1], 2 * SECOND)
    assert last(*story, read(edits[3], MINUTE)).outcome == "stale"
    assert last(*story, read(edits[4], 2 * MAX_LAG_MS)).record.certainty is Certainty.PROVEN


def test_a_newer_deletion_than_a_late_one_does_not_count_while_the_search_may_lag() -> None:
    """True: two deletions, then a return, which arrived first and showed nothing new."""
    first, second = (make_deletion(LIVE, f"2025-10-09T08:5{minute}:00Z") for minute in (1, 2))
    story = told(LIVE, -DAY // 2), told(LIVE, 0), told(first, SECOND)
    assert last(*story).record.certainty is Certainty.UNPROVEN
    assert last(*story, read(second, MINUTE)).outcome == "stale"


def test_two_readings_decide_about_what_is_ambiguous_and_are_checked_once_the_search_has_caught_up() -> None:
    story = told(LIVE, -MINUTE), told(TAGGED, 0), told(LIVE, MINUTE)
    # The state before lasted for a minute: a search that is steadily behind shows it for no longer.
    for second in (2 * MINUTE + SECOND, 3 * MINUTE):
        assert last(*story, read(TAGGED, 2 * MINUTE), read(TAGGED, second)).outcome == "stale"
    decision = last(*story, read(TAGGED, 2 * MINUTE), read(TAGGED, 3 * MINUTE + SECOND))
    assert (decision.outcome, decision.certainty) == ("updated", Certainty.UNPROVEN)
    assert decision.question.asking is Asking.ASK
    assert decision.question.not_before == START + MINUTE + MAX_LAG_MS


def test_a_reading_of_what_is_older_than_the_state_before_only_shows_that_the_search_is_behind() -> None:
    treated, marked = TAGGED | {"state": "treated"}, TAGGED | {"state": "pending_auto_reply"}
    deliveries = [told(LIVE, 0), told(treated, MINUTE), told(marked, 2 * MINUTE), told(treated, 3 * MINUTE)]
    for source in (Source.VERIFICATION, Source.RECONCILIATION):
        decision = last(*deliveries, read(LIVE, 5 * MINUTE, source))
        assert (decision.outcome, decision.record.review, decision.record.ambiguous) == ("stale", treated, True)
        assert decision.question.asking is Asking.ASK
        looks = read(marked, 5 * MINUTE, source), read(marked, 7 * MINUTE, source)
        assert last(*deliveries, *looks).outcome == "updated"


def test_what_was_kept_out_meanwhile_does_not_count_as_the_state_that_an_ambiguous_one_replaced() -> None:
    older = LIVE | {"rating": 1, "update_date": "2025-09-01T00:00:00Z"}
    story = told(LIVE, -DAY), told(TAGGED, -MINUTE * 5), told(LIVE, 0), told(older, SECOND)
    assert last(*story).record.certainty is Certainty.AMBIGUOUS
    first = read(TAGGED, 2 * MINUTE)
    assert last(*story, first, read(TAGGED, 6 * MINUTE)).outcome == "stale"
    assert last(*story, first, read(TAGGED, 8 * MINUTE)).outcome == "updated"


@pytest.mark.parametrize(("asked_at", "again_at"), [(MAX_LAG_MS - 1, START + MAX_LAG_MS), (MAX_LAG_MS, 0)])
def test_a_reading_that_agrees_proves_and_is_worth_a_second_look_only_while_the_search_may_lag(
    asked_at: int, again_at: int
) -> None:
    story = told(LIVE, -DAY // 2), told(TAGGED, 0)
    assert last(*story).record.certainty is Certainty.UNPROVEN
    decision = last(*story, read(TAGGED, asked_at))
    assert (decision.outcome, decision.record.certainty) == ("unchanged", Certainty.PROVEN)
    assert (decision.question.asking, decision.question.again_at) == (Asking.CLOSE, again_at)


def test_what_may_be_a_late_copy_is_proven_by_no_reading_before_the_search_must_have_caught_up() -> None:
    """True: the tag, of which a late copy of the state before hides the news; the search still shows that state."""
    story = told(LIVE, -DAY // 2), told(TAGGED, 0), told(LIVE, MINUTE)
    decision = last(*story, read(LIVE, 2 * MINUTE))
    assert (decision.outcome, decision.record.certainty) == ("confirmed", Certainty.UNPROVEN)
    assert decision.question.again_at == START + MINUTE + MAX_LAG_MS
    assert last(*story, read(LIVE, 2 * MINUTE), read(LIVE, MINUTE + MAX_LAG_MS)).record.certainty is Certainty.PROVEN
    assert last(*story, read(LIVE, 2 * MINUTE), read(TAGGED, MINUTE + MAX_LAG_MS)).record.review == TAGGED


def test_no_second_look_is_due_where_all_was_proven_before() -> None:
    assert last(told(LIVE, 0), read(LIVE, MINUTE)).question.again_at == 0


def test_a_runs_own_first_reading_does_not_overtake_its_second() -> None:
    """Both were asked for within the time by which a delivery would have overtaken them."""
    first = read(LIVE, 0)
    *_, second = settled(first, read(TAGGED, OVERTAKEN_MS // 2)).decisions
    assert (second.outcome, second.record.review) == ("updated", TAGGED)
    late = settled(first, read(TAGGED, 2 * MINUTE), read(LIVE, MINUTE)).decisions[-1]
    assert (late.outcome, late.question.asking) == ("stale", Asking.KEEP)


# Whatever comes in between


LOOKS = st.lists(
    st.tuples(st.integers(0, 16), st.sampled_from([0, SECOND, 30 * SECOND, 5 * MINUTE, MAX_LAG_MS - SECOND])),
    max_size=4,
)


def visible(review: Review) -> tuple[Any, ...]:
    """Return what is sure to be compared: a reading does not take away a clock that it leaves out."""
    return review["state"], review["rating"], review["tags"]


@settings(deadline=None, max_examples=200)
@given(LIVES, LOOKS)
def test_what_readings_and_deliveries_of_a_true_life_leave_wrong_is_not_proven(
    steps: list[Step], looks: list[tuple[int, int]]
) -> None:
    """Readings show the life as it was up to ten minutes ago."""
    states = life(steps)
    begin = states[0][0]
    copies = deliveries(states)
    end = copies[-1].received_at + 60 * MINUTE
    events: list[tuple[int, int, Delivery | Entry]] = [
        (
            copy.received_at,
            number,
            Delivery(str(number), copy.received_at, copy.review, first_attempt_at=copy.first_attempt_at),
        )
        for number, copy in enumerate(copies)
    ]
    for number, (part, lag) in enumerate(looks):
        at = begin + (end - begin) * part // 16
        shown = [review for moment, review, _ in states if moment <= at - lag]
        if shown:
            body = encode_reading(shown[-1], at - 100)
            events.append((at, number, Entry(make_delivery_id(at, number), at, Source.VERIFICATION, body)))
    record: Record | None = None
    for _, _, one in sorted(events, key=lambda happened: happened[:2]):
        if isinstance(one, Delivery):
            decision = reduce(record, one, DEFAULT_WINDOWS)
        else:
            decision = take(record, one, DEFAULT_WINDOWS)
        record = decision.record
    assert record is not None
    right = visible(record.review) == visible(states[-1][1])
    event(f"{record.certainty}, right: {right}")
    assert right or record.certainty is not Certainty.PROVEN


def test_what_was_denied_before_a_change_does_not_count_against_the_state_after_it() -> None:
    story = told(LIVE, -DAY // 2), told(TAGGED, 0), read(LIVE, 2 * MINUTE), told(EDITED, 3 * MINUTE)
    assert last(*story[:3]).record.denied_at
    assert not last(*story).record.denied_at
