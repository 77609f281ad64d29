"""Absences as decisions tell of them: begun, moved, ended."""

import msgspec

from mirror.domain.absences import AbsenceEvent, AbsenceEventKind, absence_events, scope
from mirror.domain.changes import Source
from mirror.domain.decisions import Decision, Outcome
from mirror.domain.lifecycle import Status
from mirror.domain.record import Record
from tests.mirror.domain.stories import DAY, MINUTE, START, after_grace, deliver, tell
from tests.support import make_deletion, make_review

LIVE = make_review(business_id="b1", partner="facebook")
DELETED = make_deletion(LIVE)
MOVED = make_deletion(LIVE | {"business_id": "b2"}, "2025-09-11T00:00:00Z")
BEGAN = AbsenceEvent(AbsenceEventKind.BEGAN, START + MINUTE, "facebook", "b1")


def to(record: Record, source: Source = Source.WEBHOOK) -> Decision:
    """Make a decision that leaves this record."""
    return Decision(Outcome.UNCHANGED, deliver(record.review, 10, source), record)


def test_an_absence_begins_and_ends() -> None:
    decisions = tell((LIVE, 0), (DELETED, 1), (DELETED, 2), (LIVE, 1 + 24 * 60))
    assert absence_events(None, decisions) == [
        BEGAN,
        AbsenceEvent(AbsenceEventKind.RETURNED, START + MINUTE, "facebook", "b1", lasted=DAY),
    ]
    assert absence_events(decisions[0].record, decisions[1:3]) == [BEGAN]


def test_a_first_sight_of_a_deleted_review_begins_an_absence() -> None:
    assert absence_events(None, tell((DELETED, 1))) == [BEGAN]


def test_a_live_review_has_no_absence_whatever_changes() -> None:
    assert absence_events(None, tell((LIVE, 0), (LIVE | {"rating": 5}, 1), (LIVE, 2))) == []


def test_a_review_that_is_gone_and_comes_back_tells_that_it_was() -> None:
    missing = tell((DELETED, 1))[-1].record
    gone = after_grace(missing)
    assert [event.kind for event in absence_events(missing, [to(gone, Source.GRACE)])] == [AbsenceEventKind.GONE]
    (back,) = absence_events(gone, tell((LIVE, 3), record=gone))
    assert (back.kind, back.was_gone, back.lasted) == (AbsenceEventKind.RETURNED, True, 2 * MINUTE)


def test_a_check_that_changed_nothing_postpones_the_next_and_one_of_a_gone_review_does_not() -> None:
    missing = tell((DELETED, 1))[-1].record
    assert absence_events(missing, [to(missing, Source.GRACE)]) == [
        AbsenceEvent(AbsenceEventKind.POSTPONED, START + 10 * MINUTE, "facebook", "b1")
    ]
    gone = after_grace(missing)
    assert absence_events(gone, [to(gone, Source.GRACE)]) == []


def test_a_deletion_that_names_another_business_moves_the_absence() -> None:
    missing = tell((DELETED, 1))[-1].record
    assert absence_events(missing, tell((MOVED, 2), record=missing)) == [
        AbsenceEvent(AbsenceEventKind.MOVED_FROM, START + MINUTE, "facebook", "b1"),
        AbsenceEvent(AbsenceEventKind.MOVED_TO, START + MINUTE, "facebook", "b2"),
    ]


def test_a_record_that_is_emptied_forgets_its_absence() -> None:
    missing = tell((DELETED, 1))[-1].record
    for before in (missing, after_grace(missing)):
        empty = msgspec.structs.replace(before, status=Status.GONE, review={"id": 34}, missing_since=None)
        (event,) = absence_events(before, [to(empty)])
        assert (event.kind, event.was_gone, event.business_id) == (
            AbsenceEventKind.FORGOTTEN,
            before.status is Status.GONE,
            "b1",
        )
        assert absence_events(empty, [to(empty)]) == []


def test_an_absence_is_of_the_business_that_its_deletion_names_else_of_the_one_before() -> None:
    bare = {"id": 34, "state": "deleted", "business_id": None}
    assert scope(tell((LIVE, 0), (bare, 1))[-1].record) == ("facebook", "b1")
    assert scope(tell((bare, 1))[-1].record) == ("", "")
    assert scope(tell((LIVE, 0), (MOVED, 1))[-1].record) == ("facebook", "b2")
