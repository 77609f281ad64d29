"""The decision table, row by row, with the edges of each: reviews that are missing or gone."""

from typing import Any

import pytest

from mirror.domain.changes import Certainty, Kind
from mirror.domain.lifecycle import Status
from mirror.domain.record import Record
from tests.mirror.domain.reviews import D10, D12, DELETED, EQUAL, LIVE, NEWER, OLDER, UNDATED, absent_records, clockless
from tests.mirror.domain.stories import (
    MINUTE,
    START,
    WINDOWS,
    ambiguous,
    kept_out,
    last,
    outcomes,
    tell,
)
from tests.support import make_deletion

# Rows 7 and 8: missing or gone, and shown


@pytest.mark.parametrize("record", absent_records())
def test_a_reappearance_identical_to_the_state_before_deletion_is_applied(record: Record) -> None:
    back = last((LIVE, 300), record=record)

    assert back.outcome == "reappeared"
    assert back.certainty is Certainty.UNPROVEN
    assert back.change is not None
    assert back.change.fields == {}
    assert back.change.missing_for == 180 * MINUTE
    assert back.record == Record(
        schema=1,
        id=34,
        status=Status.LIVE,
        version=3,
        review=LIVE,
        first_seen_at=START,
        last_changed_at=START + 300 * MINUTE,
        last_received_at=START + 300 * MINUTE,
        reappearances=1,
        unproven=True,
        since=START + 300 * MINUTE,
        live_since=START + 300 * MINUTE,
        live_received_at=START + 300 * MINUTE,
        delivered_at=START + 300 * MINUTE,
        delete_dates=(f'"{D10}"',),
        previous_states=back.record.previous_states,
    )


@pytest.mark.parametrize("record", absent_records())
def test_a_reappearance_older_than_the_last_live_snapshot_is_stale(record: Record) -> None:
    stale = last((OLDER, 300), record=record)

    assert stale.outcome == "stale"
    assert stale.change is None
    assert stale.reason == "its clock is older than the last live snapshot's"
    assert stale.certainty is Certainty.UNPROVEN
    assert stale.record == kept_out(record, OLDER, 300)


@pytest.mark.parametrize("record", absent_records())
@pytest.mark.parametrize(("after_ms", "outcome"), [(-1, "stale"), (0, "reappeared")])
def test_an_older_clock_keeps_a_return_out_only_within_the_late_window_of_the_live_snapshot(
    record: Record, after_ms: int, outcome: str
) -> None:
    decision = last((OLDER, (WINDOWS.late + after_ms) / MINUTE), record=record)
    assert (decision.outcome, decision.certainty) == (outcome, Certainty.UNPROVEN)


@pytest.mark.parametrize("record", absent_records())
@pytest.mark.parametrize("shown", [EQUAL, NEWER, clockless(OLDER)], ids=["equal", "newer", "no clock"])
def test_a_reappearance_tells_what_differs_from_the_last_live_snapshot(record: Record, shown: dict[str, Any]) -> None:
    back = last((shown, 300), record=record)

    assert back.outcome == "reappeared"
    assert back.record.status is Status.LIVE
    assert back.record.review == shown
    assert back.change is not None
    assert back.change.fields["rating"] == (3, shown["rating"])
    assert "state" not in back.change.fields
    assert "delete_date" not in back.change.fields


def test_the_clock_of_the_deletion_itself_does_not_make_a_reappearance_stale() -> None:
    deletion = make_deletion(LIVE | {"update_date": "2025-09-10T20:15:00+02:00"}, D10)
    assert outcomes((LIVE, 0), (deletion, 10), (LIVE, 100)) == ["first_seen", "vanished", "reappeared"]


def test_a_live_review_after_one_first_seen_deleted_has_reappeared_whatever_its_clock() -> None:
    for shown in (LIVE, OLDER, clockless(LIVE)):
        back = last((DELETED, 0), (shown, 10))
        assert back.outcome == "reappeared"
        assert not ambiguous(back)
        assert back.record.review == shown
        assert back.record.last_live is None
        assert back.record.reappearances == 1
        assert back.change is not None
        assert back.change.missing_for == 10 * MINUTE
        assert back.change.fields["state"] == ("deleted", "not_treated")
        assert back.change.removed[-1] == "delete_date"


def test_missing_for_spans_the_whole_absence_also_over_updates_and_copies_within_it() -> None:
    back = last((LIVE, 0), (DELETED, 10), (DELETED | {"rating": 1}, 50), (DELETED | {"rating": 1}, 60), (LIVE, 110))
    assert back.change is not None
    assert back.change.missing_for == 100 * MINUTE


def test_every_absence_is_counted_and_measured_by_itself() -> None:
    decisions = tell((LIVE, 0), (DELETED, 10), (LIVE, 100), (make_deletion(LIVE, D12), 200), (NEWER, 205))
    changes = [decision.change for decision in decisions if decision.change is not None]
    assert [change.missing_for for change in changes] == [None, None, 90 * MINUTE, None, 5 * MINUTE]
    assert decisions[-1].record.reappearances == 2


# Rows 9 and 10: missing or gone, and deleted


@pytest.mark.parametrize("record", absent_records())
@pytest.mark.parametrize(
    ("delete_date", "outcome"),
    [
        ("2025-09-10T20:14:59.999999+02:00", "stale"),
        ("2025-09-10T18:14:59", "stale"),
        ("2025-09-10T18:15:00Z", "updated"),
        ("2025-09-10T20:15:00.000001+02:00", "updated"),
        (None, "updated"),
        ("one day", "updated"),
        (12, "updated"),
    ],
)
def test_a_differing_deletion_updates_an_absence_unless_its_delete_date_is_older(
    record: Record, delete_date: Any, outcome: str
) -> None:
    deletion = DELETED | {"rating": 1, "delete_date": delete_date}
    decision = last((deletion, 200), record=record)

    assert decision.outcome == outcome
    assert decision.record.status is record.status
    assert decision.record.review == (DELETED if outcome == "stale" else deletion)
    assert decision.record.last_live == LIVE
    assert decision.record.missing_since == START + 120 * MINUTE
    assert decision.record.reappearances == 0


@pytest.mark.parametrize("record", absent_records())
def test_a_deletion_older_than_the_mirrored_one_is_stale_and_remembered_as_kept_out_in_doubt(record: Record) -> None:
    older = make_deletion(EQUAL, "2025-09-09T00:00:00Z")
    stale = last((older, 200), record=record)
    assert stale.change is None
    assert stale.reason == "its delete_date is older than the mirrored one"
    assert stale.certainty is Certainty.UNPROVEN
    assert stale.record == kept_out(record, older, 200)


@pytest.mark.parametrize("record", absent_records())
def test_a_deletion_older_than_the_mirrored_one_is_applied_once_no_late_copy_of_it_is_possible(record: Record) -> None:
    older = make_deletion(EQUAL, "2025-09-09T00:00:00Z")
    assert last((older, 120 + (WINDOWS.late - 1) / MINUTE), record=record).outcome == "stale"
    applied = last((older, 120 + WINDOWS.late / MINUTE), record=record)
    assert (applied.outcome, applied.certainty) == ("updated", Certainty.UNPROVEN)


@pytest.mark.parametrize("record", absent_records())
def test_an_update_of_an_absence_tells_what_differs_from_the_mirrored_deletion(record: Record) -> None:
    updated = last((DELETED | {"rating": 1, "delete_date": D12}, 200), record=record)
    assert updated.change is not None
    assert updated.change.kind is Kind.UPDATED
    assert updated.change.fields == {"rating": (3, 1), "delete_date": (D10, D12)}
    assert updated.record.version == 3


def test_an_absence_without_a_delete_date_can_get_any() -> None:
    assert outcomes((LIVE, 0), (UNDATED, 1), (make_deletion(LIVE, "1990-01-01T00:00:00Z"), 2))[-1] == "updated"


def test_the_clock_of_a_deletion_does_not_count_while_the_review_is_missing_only_its_delete_date() -> None:
    assert outcomes((LIVE, 0), (DELETED, 1), (make_deletion(OLDER, D10), 2))[-1] == "updated"


def test_an_absence_updated_after_a_first_sight_still_has_no_live_snapshot() -> None:
    updated = last((DELETED, 0), (DELETED | {"rating": 1}, 1))
    assert updated.outcome == "updated"
    assert updated.record.last_live is None
    assert updated.record.missing_since == START
