"""The end of a grace period: decided when the check's turn comes, about the very absence that it names."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.domain.changes import Certainty, Change, Kind, Source
from mirror.domain.decisions import Asking, Decision
from mirror.domain.grace import Check, make_check
from mirror.domain.history import first_payload, replay
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.lifecycle import Status
from mirror.domain.record import Record, Windows
from mirror.domain.settling import Settled, settle
from tests.mirror.domain.stories import DAY, MINUTE, START
from tests.mirror.domain.strategies import STEPS, Step
from tests.mirror.domain.test_reducer_properties import exact, public, stored, stored_changes, thorough
from tests.support import make_body, make_deletion, make_review

GRACE = 7 * DAY
WINDOWS = Windows(grace=GRACE)
LIVE = make_review()
DELETED = make_deletion(LIVE)


def report(review: object, at: int) -> Entry:
    return Entry(make_delivery_id(at, 1), at, Source.WEBHOOK, make_body(review))


def check(at: int, missing_since: int, counts_from: int | None = None) -> Entry:
    return make_check(Check(missing_since, missing_since if counts_from is None else counts_from), at, 2)


def after(*entries: Entry) -> Settled:
    return settle(None, entries, WINDOWS)


def last(*entries: Entry) -> Decision:
    settled = after(*entries)
    assert settled.dead_letters == []
    return settled.decisions[-1]


def test_a_missing_review_whose_grace_is_over_is_gone() -> None:
    decision = last(report(LIVE, START), report(DELETED, START + DAY), check(START + DAY + GRACE, START + DAY))
    missing = last(report(LIVE, START), report(DELETED, START + DAY)).record

    assert decision.outcome == "gone"
    assert decision.change == Change(
        version=3,
        kind=Kind.GONE,
        received_at=START + DAY + GRACE,
        delivery_id=make_delivery_id(START + DAY + GRACE, 2),
        source=Source.GRACE,
        missing_for=GRACE,
    )
    assert decision.record == msgspec.structs.replace(
        missing,
        status=Status.GONE,
        version=3,
        last_changed_at=START + DAY + GRACE,
        last_received_at=START + DAY + GRACE,
        last_first_attempt_at=START + DAY,
    )


def test_a_review_that_was_first_seen_deleted_becomes_gone_too() -> None:
    assert last(report(DELETED, START), check(START + GRACE, START)).outcome == "gone"


def test_a_moment_before_the_grace_is_over_nothing_changes() -> None:
    story = report(LIVE, START), report(DELETED, START)
    decision = last(*story, check(START + GRACE - 1, START))
    assert (decision.outcome, decision.reason) == ("stale", "the grace period is not over")
    assert decision.record == last(*story).record


def test_the_grace_of_a_review_that_an_incident_held_counts_from_its_close() -> None:
    story = report(LIVE, START), report(DELETED, START)
    assert last(*story, check(START + DAY + GRACE - 1, START, START + DAY)).outcome == "stale"
    assert last(*story, check(START + DAY + GRACE, START, START + DAY)).outcome == "gone"


def test_a_review_that_is_back_stays_live_whatever_check_was_on_its_way() -> None:
    story = report(LIVE, START), report(DELETED, START + DAY), report(LIVE, START + 2 * DAY)
    decision = last(*story, check(START + 30 * DAY, START + DAY))
    assert (decision.outcome, decision.reason) == ("stale", "the review is back")
    assert decision.record == last(*story).record


def test_a_review_that_came_back_and_vanished_again_is_not_gone_by_the_check_of_its_first_absence() -> None:
    story = (
        report(LIVE, START),
        report(DELETED, START + DAY),
        report(LIVE, START + 2 * DAY),
        report(make_deletion(LIVE, "2025-10-01T00:00:00Z"), START + 3 * DAY),
    )
    first = last(*story, check(START + 30 * DAY, START + DAY))
    assert (first.outcome, first.reason) == ("stale", "the absence it is about is over, another one goes on")
    assert first.record == last(*story).record
    assert last(*story, check(START + 30 * DAY, START + 3 * DAY)).outcome == "gone"


def test_a_second_check_of_a_gone_review_changes_nothing() -> None:
    story = report(DELETED, START), check(START + GRACE, START)
    decision = last(*story, check(START + 2 * GRACE, START))
    assert decision.outcome == "unchanged"
    assert decision.record == last(*story).record


def test_a_gone_review_comes_back_and_tells_how_long_it_was_missing() -> None:
    story = report(LIVE, START), report(DELETED, START + DAY), check(START + DAY + GRACE, START + DAY)
    decision = last(*story, report(LIVE, START + 20 * DAY))
    assert decision.outcome == "reappeared"
    assert decision.change is not None
    assert decision.change.missing_for == 19 * DAY
    assert decision.record.status is Status.LIVE


def test_doubt_about_an_absence_stays_with_the_review_that_is_gone() -> None:
    odd = make_deletion(LIVE, "2025-08-01T00:00:00Z")  # before the edit that LIVE shows
    decision = last(report(LIVE, START), report(odd, START), check(START + GRACE, START))
    assert decision.change is not None
    assert decision.change.ambiguous
    assert decision.record.ambiguous


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"missing_since":"1","counts_from":1}', make_body(LIVE)])
def test_a_check_that_cannot_be_read_is_a_dead_letter(body: bytes) -> None:
    settled = after(report(DELETED, START), Entry(make_delivery_id(START, 3), START, Source.GRACE, body))
    (letter,) = settled.dead_letters
    assert letter.code == "not_a_check"


def test_a_check_of_a_review_that_is_not_mirrored_is_a_dead_letter() -> None:
    (letter,) = after(check(START + GRACE, START)).dead_letters
    assert letter.code == "no_absence"


def mixed(steps: list[Step], checks: list[tuple[int, int, int]]) -> list[Entry]:
    """Mix checks into reports: each at a place, about the absence of an earlier place, so many milliseconds later."""
    entries, at = [], START
    moments = [START]
    for number, (review, gap) in enumerate(steps):
        at += gap
        moments.append(at)
        entries.append(Entry(make_delivery_id(at, number), at, Source.WEBHOOK, make_body(review)))
        for place, about, later in checks:
            if place == number:
                since = moments[about % len(moments)]
                entries.append(check(since + later, since))
    return entries


CHECKS = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 8), st.sampled_from([0, GRACE - 1, GRACE, 2 * GRACE])), max_size=12
)


@thorough
@given(STEPS, CHECKS)
def test_checks_mixed_into_any_deliveries_never_touch_a_live_review_and_replay_to_the_record(
    steps: list[Step], checks: list[tuple[int, int, int]]
) -> None:
    settled = after(*mixed(steps, checks))
    assert settled.dead_letters == []
    before: Record | None = None
    for decision in settled.decisions:
        if decision.delivery.source is Source.GRACE:
            assert before is not None
            assert decision.outcome in {"gone", "stale", "unchanged"}
            assert (decision.outcome == "gone") == (decision.record.status is not before.status)
            assert before.status is not Status.LIVE or decision.record is before
            assert exact(decision.record.review) == exact(before.review)
        else:
            assert decision.outcome != "gone"
        before = decision.record

    record = stored(settled.record)
    assert record is not None
    changes = stored_changes(settled.decisions)
    first = first_payload(record, changes)
    assert exact(first) == exact(steps[0][0])
    for decision in settled.decisions:
        assert public(replay(first, changes[: decision.record.version])) == public(decision.record)


@thorough
@given(STEPS, st.integers(0, 3))
def test_an_absence_that_is_checked_when_its_grace_is_over_is_always_gone(steps: list[Step], again: int) -> None:
    settled = after(*mixed(steps, []))
    record = settled.record
    assert record is not None
    since = record.missing_since or START
    at = record.last_received_at + GRACE
    for _ in range(again + 1):
        decision = settle(record, [check(at, since)], WINDOWS).decisions[0]
        expected = Status.LIVE if record.status is Status.LIVE else Status.GONE
        assert decision.record.status is expected
        record = decision.record


def test_a_return_that_was_first_offered_before_the_grace_was_over_is_a_return() -> None:
    over = START + DAY + GRACE
    story = [report(LIVE, START), report(DELETED, START + DAY), check(over, START + DAY)]
    again = report(LIVE | {"rating": 1}, over + 2 * MINUTE)
    assert last(*story, msgspec.structs.replace(again, first_attempt_at=over - 1)).outcome == "reappeared"
    late = last(*story, msgspec.structs.replace(again, first_attempt_at=START + DAY - 1))
    assert (late.outcome, late.certainty) == ("stale", Certainty.UNPROVEN)


def test_the_end_of_grace_leaves_a_question_to_partoo_open() -> None:
    story = [report(LIVE, START), report(DELETED, START + DAY)]
    gone = settle(after(*story).record, [check(START + DAY + GRACE, START + DAY)], WINDOWS)
    assert gone.decisions[-1].outcome == "gone"
    assert gone.question.asking is Asking.KEEP
