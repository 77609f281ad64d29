"""Absences: what Partoo no longer shows is applied as a deletion in doubt, unless a delivery has told of the review."""

from typing import Any

from mirror.domain.changes import Kind, Source
from mirror.domain.decisions import Asking, Decision
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.lifecycle import Status
from mirror.domain.reading import OVERTAKEN_MS, encode_absence, encode_reading
from mirror.domain.settling import Settled, settle
from tests.mirror.domain.stories import DAY, MINUTE, SECOND, START, WINDOWS
from tests.support import make_body, make_deletion, make_review

LIVE = make_review(rating=4)
EDITED = make_review(rating=2, update_date="2025-09-05T10:00:00+02:00")


def told(review: dict[str, Any], at: int) -> Entry:
    return Entry(make_delivery_id(START + at, at % 1000), START + at, Source.WEBHOOK, make_body(review))


def absent(live: dict[str, Any], at: int) -> Entry:
    body = encode_absence(live, START + at)
    return Entry(make_delivery_id(START + at, at % 1000), START + at + 100, Source.RECONCILIATION, body)


def shown(review: dict[str, Any], at: int) -> Entry:
    body = encode_reading(review, START + at)
    return Entry(make_delivery_id(START + at, at % 1000), START + at + 100, Source.RECONCILIATION, body)


def settled(*entries: Entry) -> Settled:
    return settle(None, entries, WINDOWS)


def last(*entries: Entry) -> Decision:
    return settled(*entries).decisions[-1]


def test_a_review_that_partoo_no_longer_shows_vanishes_in_doubt() -> None:
    decision = last(told(LIVE, 0), absent(LIVE, DAY))
    assert (decision.outcome, decision.record.status) == ("vanished", Status.MISSING)
    assert decision.record.review == LIVE | {"state": "deleted"}
    assert decision.record.last_live == LIVE
    assert decision.record.ambiguous
    assert decision.change is not None
    assert (decision.change.ambiguous, decision.change.source) == (True, Source.RECONCILIATION)
    assert settled(told(LIVE, 0), absent(LIVE, DAY)).question.asking is Asking.ASK


def test_an_absence_that_a_delivery_has_overtaken_changes_nothing() -> None:
    for lead in (0, OVERTAKEN_MS - SECOND, -MINUTE):
        decision = last(told(LIVE, 0), told(EDITED, DAY - lead), absent(LIVE, DAY))
        assert (decision.outcome, decision.record.review) == ("stale", EDITED)


def test_what_vanishes_is_the_review_as_it_is_when_the_absence_is_applied() -> None:
    decision = last(told(LIVE, 0), told(EDITED, MINUTE), absent(LIVE, DAY + MINUTE))
    assert decision.outcome == "vanished"
    assert (decision.record.last_live, decision.record.review) == (EDITED, EDITED | {"state": "deleted"})


def test_an_absence_proves_nothing_about_a_review_that_is_new_or_changed_within_the_day() -> None:
    for story in ([told(LIVE, 0)], [told(LIVE, 0), told(EDITED, 5 * DAY)]):
        at = story[-1].received_at - START
        decision = last(*story, absent(LIVE, at + DAY - SECOND))
        assert (decision.outcome, decision.record.status) == ("stale", Status.LIVE)
        assert decision.reason == "Partoo's search may omit what is new or changed within a day"
        assert decision.question.asking is Asking.KEEP


def test_an_absence_of_a_review_that_is_missing_already_says_nothing_new() -> None:
    deletion = make_deletion(LIVE)
    decision = last(told(LIVE, 0), told(deletion, 2 * DAY), absent(LIVE, 3 * DAY))
    assert (decision.outcome, decision.record.review, decision.record.ambiguous) == ("stale", deletion, False)
    doubtful = last(told(LIVE, 0), absent(LIVE, DAY), absent(LIVE, 2 * DAY))
    assert (doubtful.outcome, doubtful.record.ambiguous) == ("stale", True)


def test_a_review_that_partoo_shows_again_returns_and_is_in_no_doubt() -> None:
    decision = last(told(LIVE, 0), absent(LIVE, DAY), shown(LIVE, 2 * DAY))
    assert decision.change is not None
    assert (decision.change.kind, decision.change.fields) == (Kind.REAPPEARED, {})
    assert (decision.record.review, decision.record.ambiguous) == (LIVE, False)


def test_a_deletion_that_partoo_reports_later_takes_the_doubt_away() -> None:
    deletion = make_deletion(LIVE)
    decision = last(told(LIVE, 0), absent(LIVE, DAY), shown(deletion, 2 * DAY))
    assert (decision.outcome, decision.record.review, decision.record.ambiguous) == ("updated", deletion, False)
