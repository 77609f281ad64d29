"""The decision table, row by row, with the edges of each: reviews first seen, and live ones."""

import time
from typing import Any

import msgspec
import pytest

from mirror.domain.changes import Certainty, Change, Kind, Source
from mirror.domain.clocks import filter_clock
from mirror.domain.decisions import MAX_DELETE_DATES
from mirror.domain.lifecycle import Status
from mirror.domain.record import Record
from mirror.domain.reducer import reduce
from tests.mirror.domain.reviews import (
    D10,
    D12,
    D14,
    DELETED,
    EQUAL,
    LIVE,
    NEWER,
    NO_CLOCK,
    OLDER,
    UNDATED,
    clockless,
    missing_record,
)
from tests.mirror.domain.stories import (
    DAY,
    MINUTE,
    START,
    WINDOWS,
    after_grace,
    ambiguous,
    deliver,
    kept_out,
    last,
    outcomes,
    received,
    tell,
)
from tests.support import make_deletion, make_review

# Row 1: none


def test_a_review_first_seen_live_is_live() -> None:
    delivery = deliver(LIVE)
    decision = reduce(None, delivery, WINDOWS)

    assert decision.outcome == "first_seen"
    assert decision.reason is None
    assert decision.delivery == delivery
    assert decision.change == Change(1, Kind.FIRST_SEEN, START, delivery.delivery_id)
    assert decision.record == Record(
        schema=1,
        id=34,
        status=Status.LIVE,
        version=1,
        review=LIVE,
        first_seen_at=START,
        last_changed_at=START,
        last_received_at=START,
        since=START,
        live_since=START,
        live_received_at=START,
        delivered_at=START,
    )
    assert decision.record.live_snapshot == LIVE


def test_a_review_first_seen_deleted_is_missing_since_then_and_has_no_live_snapshot() -> None:
    record = last((DELETED, 3)).record

    assert record == Record(
        schema=1,
        id=34,
        status=Status.MISSING,
        version=1,
        review=DELETED,
        first_seen_at=START + 3 * MINUTE,
        last_changed_at=START + 3 * MINUTE,
        last_received_at=START + 3 * MINUTE,
        missing_since=START + 3 * MINUTE,
        since=START + 3 * MINUTE,
        delivered_at=START + 3 * MINUTE,
        delete_dates=(f'"{D10}"',),
    )
    assert record.live_snapshot is None


def test_only_the_state_tells_a_deletion_not_a_delete_date() -> None:
    assert last((LIVE | {"delete_date": D10}, 0)).record.status is Status.LIVE
    assert last((UNDATED, 0)).record.status is Status.MISSING


@pytest.mark.parametrize("state", [None, ..., "Deleted", "deleted ", "pending_auto_reply", 1, True, ["deleted"], {}])
def test_any_state_but_the_exact_word_deleted_is_live(state: Any) -> None:
    assert last((make_review(state=state), 0)).record.status is Status.LIVE


def test_a_live_review_that_carries_a_delete_date_does_not_make_that_date_one_of_an_absence() -> None:
    assert outcomes((LIVE | {"delete_date": D10}, 0), (DELETED, 1)) == ["first_seen", "vanished"]


# Row 2: the same as what is mirrored


def test_a_plain_duplicate_of_a_live_review_is_unchanged_and_only_the_times_of_receipt_move() -> None:
    first, again = tell((LIVE, 0), (LIVE, 7))

    assert again.outcome == "unchanged"
    assert again.change is None
    assert again.record == received(first.record, 7, live_received_at=START + 7 * MINUTE)


def test_a_plain_duplicate_of_a_deletion_is_unchanged_and_only_the_times_of_receipt_move() -> None:
    vanished, again = tell((LIVE, 0), (DELETED, 5), (DELETED, 9))[1:]

    assert again.outcome == "unchanged"
    assert again.change is None
    assert again.record == received(vanished.record, 9)


def test_a_plain_duplicate_of_a_deletion_leaves_a_gone_review_gone() -> None:
    gone = after_grace(missing_record())
    again = last((DELETED, 20_000), record=gone)

    assert again.outcome == "unchanged"
    assert again.record == received(gone, 20_000)


def test_the_order_of_keys_at_any_depth_does_not_make_a_difference() -> None:
    one = make_review(comments={"id": 1, "content": "Merci"}, tags=[{"id": 25, "label": "food"}])
    same = dict(reversed(one.items())) | {
        "comments": {"content": "Merci", "id": 1},
        "tags": [{"label": "food", "id": 25}],
    }
    assert outcomes((one, 0), (same, 1)) == ["first_seen", "unchanged"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (1, 1.0),
        (1, True),
        (0, False),
        (0.0, -0.0),
        (None, ...),
        (..., None),
        ([1], [True]),
        ({"a": [1]}, {"a": [1.0]}),
        ([1, 2], [2, 1]),
        ("é", "e\u0301"),
        (2**64, 2**64 + 1),
        ({"a": None}, {}),
    ],
)
def test_values_that_differ_in_json_are_a_difference_in_known_and_unknown_fields(before: Any, after: Any) -> None:
    for field in ("rating", "a_field_of_the_future"):
        one, two = make_review(**{field: before}), make_review(**{field: after})
        assert outcomes((one, 0), (two, 1)) == ["first_seen", "updated"]
        changed = last((one, 0), (two, 1)).change
        assert changed is not None
        assert list(changed.fields) == [field]


# Rows 3 and 4: live, and shown


def test_a_live_review_with_an_older_clock_is_stale_and_remembered_as_kept_out_in_doubt() -> None:
    first, stale = tell((LIVE, 0), (OLDER, 1))

    assert stale.outcome == "stale"
    assert stale.change is None
    assert stale.reason == "its clock is older than the mirrored one"
    assert stale.certainty is Certainty.UNPROVEN
    assert stale.record == kept_out(first.record, OLDER, 1)


def test_a_stale_copy_of_a_state_known_from_before_leaves_the_certainty_as_it_is() -> None:
    *_, edited, stale = tell((LIVE, 0), (NEWER, 1), (LIVE, 2))
    assert (stale.outcome, stale.certainty) == ("stale", Certainty.PROVEN)
    assert stale.record == received(edited.record, 2)


@pytest.mark.parametrize(("after_ms", "outcome"), [(-1, "stale"), (0, "updated"), (1, "updated")])
def test_an_older_clock_keeps_a_live_review_out_only_within_the_late_window_of_the_newer_state(
    after_ms: int, outcome: str
) -> None:
    minute = (WINDOWS.late + after_ms) / MINUTE
    # A copy or another stale delivery does not renew the window.
    decision = last((LIVE, 0), (LIVE, 60), (OLDER | {"rating": 0}, 61), (OLDER, minute))
    assert decision.outcome == outcome
    assert decision.certainty is Certainty.UNPROVEN
    assert decision.record.certainty is Certainty.UNPROVEN


@pytest.mark.parametrize("shown", [EQUAL, NEWER], ids=["equal clock", "newer clock"])
def test_a_differing_live_review_whose_clock_is_not_older_is_an_update(shown: dict[str, Any]) -> None:
    updated = last((LIVE, 0), (shown, 1))

    assert updated.outcome == "updated"
    assert not ambiguous(updated)
    assert updated.record.review == shown
    assert updated.record.version == 2
    assert updated.record.status is Status.LIVE
    assert updated.record.first_seen_at == START
    assert updated.record.last_changed_at == START + MINUTE
    assert updated.record.live_received_at == START + MINUTE


def test_an_update_tells_each_changed_field_before_and_after() -> None:
    before = make_review(rating=3, title=..., link="x")
    after = make_review(rating=4, title=None, link=...)
    change = last((before, 0), (after, 1)).change

    assert change is not None
    assert change.fields == {"rating": (3, 4), "title": (None, None), "link": ("x", None)}
    assert change.added == ("title",)
    assert change.removed == ("link",)
    assert change.missing_for is None


def test_each_change_names_the_delivery_and_the_source_that_caused_it() -> None:
    first = reduce(None, deliver(LIVE, 0, Source.REPLAY), WINDOWS)
    delivery = deliver(NEWER, 1, Source.VERIFICATION)
    second = reduce(first.record, delivery, WINDOWS)

    assert first.change is not None
    assert second.change is not None
    assert first.change.source is Source.REPLAY
    assert second.change.source is Source.VERIFICATION
    assert second.change.delivery_id == delivery.delivery_id


@pytest.mark.parametrize("value", NO_CLOCK)
def test_without_a_readable_clock_on_either_side_the_order_of_arrival_decides(value: Any) -> None:
    unclocked = clockless(EQUAL, value)
    assert outcomes((LIVE, 0), (unclocked, 1)) == ["first_seen", "updated"]
    assert outcomes((unclocked, 0), (OLDER, 1)) == ["first_seen", "updated"]
    assert outcomes((unclocked, 0), (clockless(OLDER, value), 1)) == ["first_seen", "updated"]


@pytest.mark.parametrize("value", [..., None, ""])
def test_where_neither_side_has_an_update_date_date_is_the_clock(value: Any) -> None:
    mirrored = make_review(update_date=value, date="2025-07-01T10:00:00+00:00")
    older = make_review(update_date=value, date="2025-07-01T09:59:59+00:00", rating=1)
    assert outcomes((mirrored, 0), (older, 1)) == ["first_seen", "stale"]
    newer = last((older, 0), (mirrored, 1))
    assert (newer.outcome, newer.certainty) == ("updated", Certainty.PROVEN)


@pytest.mark.parametrize("value", ["yesterday", "2025-13-01T00:00:00Z", "2025-09-05T10:12:00 UTC", 1_757_000_000, True])
def test_an_update_date_that_cannot_be_read_gives_no_way_to_date(value: Any) -> None:
    mirrored = make_review(update_date=value, date="2025-07-01T10:00:00+00:00")
    for other in (value, ..., "2025-09-04T10:00:00Z"):
        for date in ("2025-07-01T09:59:59+00:00", "2025-07-01T10:00:01+00:00"):
            decision = last((mirrored, 0), (make_review(update_date=other, date=date, rating=1), 1))
            assert (decision.outcome, decision.certainty) == ("updated", Certainty.UNPROVEN)


def test_update_date_goes_before_date() -> None:
    mirrored = make_review(update_date="2025-09-04T10:00:00Z", date="2025-07-01T10:00:00Z")
    later_date_only = make_review(update_date="2025-09-04T09:00:00Z", date="2025-07-02T10:00:00Z")
    assert outcomes((mirrored, 0), (later_date_only, 1)) == ["first_seen", "stale"]


@pytest.mark.parametrize(
    ("update_date", "outcome"),
    [
        ("2025-09-04T08:00:00Z", "updated"),  # the same moment in another offset
        ("2025-09-04T08:00:00", "updated"),  # naive counts as UTC
        ("2025-09-04T07:59:59.999999", "stale"),
        ("2025-09-04T10:59:59.999999+03:00", "stale"),  # the greater text, the earlier moment
        ("2025-09-04T02:00:00-06:00", "updated"),  # the smaller text, the same moment
        ("2025-09-03T23:00:00-10:00", "updated"),  # the day before, yet later
        ("2025-09-04", "updated"),  # a day alone is not older than a moment of it
        ("2025-09-03", "stale"),
        ("2025-07-01T16:10:23.155999+02:00", "updated"),  # before the review's own date: proves nothing
        ("0001-01-01T00:00:00+14:00", "updated"),
        ("9999-12-31T23:59:59.999999-14:00", "updated"),  # long after its receipt: proves nothing
    ],
)
def test_clocks_are_compared_as_moments_whatever_their_offset(update_date: str, outcome: str) -> None:
    assert outcomes((LIVE, 0), (EQUAL | {"update_date": update_date}, 1)) == ["first_seen", outcome]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Los_Angeles"])
def test_a_naive_clock_is_utc_whatever_the_time_zone_of_the_machine(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", zone)
        time.tzset()
        told = filter_clock({"update_date": "2025-09-04T08:00:00"})
    time.tzset()
    assert told == filter_clock({"update_date": "2025-09-04T10:00:00+02:00"})


# Rows 5 and 6: live, and deleted


def test_a_deletion_makes_a_live_review_missing_and_keeps_its_last_live_snapshot() -> None:
    vanished = last((LIVE, 0), (DELETED, 5))

    assert vanished.outcome == "vanished"
    assert not ambiguous(vanished)
    assert vanished.change is not None
    assert vanished.change.fields == {"state": ("not_treated", "deleted"), "delete_date": (None, D10)}
    assert vanished.change.added == ("delete_date",)
    assert vanished.change.missing_for is None
    assert vanished.record == Record(
        schema=1,
        id=34,
        status=Status.MISSING,
        version=2,
        review=DELETED,
        first_seen_at=START,
        last_changed_at=START + 5 * MINUTE,
        last_received_at=START + 5 * MINUTE,
        last_live=LIVE,
        missing_since=START + 5 * MINUTE,
        unproven=True,  # it was deleted before LIVE was received, which may be the review come back
        since=START + 5 * MINUTE,
        live_since=START,
        live_received_at=START,
        delivered_at=START + 5 * MINUTE,
        delete_dates=(f'"{D10}"',),
    )
    assert vanished.record.live_snapshot == LIVE


def test_a_deletion_is_applied_even_when_its_own_clock_is_older_than_the_mirrored_one() -> None:
    late = make_deletion(OLDER, D10)
    assert outcomes((LIVE, 0), (late, 1)) == ["first_seen", "vanished"]


@pytest.mark.parametrize("field", [{}, {"rating": 1}, {"content": None}], ids=["identical", "rating", "content"])
def test_a_late_copy_of_an_old_deletion_is_stale_by_its_delete_date_alone(field: dict[str, Any]) -> None:
    *_, back, late = tell((LIVE, 0), (DELETED, 10), (LIVE, 100), (DELETED | field, 101))

    assert late.outcome == "stale"
    assert late.change is None
    assert late.reason == "an earlier absence already had its delete_date"
    assert late.certainty is Certainty.UNPROVEN
    assert late.record == kept_out(back.record, DELETED | field, 101)


def test_the_delete_date_of_any_earlier_absence_counts_not_only_the_last() -> None:
    second = make_deletion(LIVE, D12)
    story = [(LIVE, 0), (DELETED, 10), (LIVE, 100), (second, 110), (LIVE, 200)]
    assert outcomes(*story, (DELETED, 201))[-1] == "stale"
    assert outcomes(*story, (second, 201))[-1] == "stale"
    assert outcomes(*story, (make_deletion(LIVE, D14), 201))[-1] == "vanished"


def test_the_delete_date_of_an_absence_that_the_mirror_first_saw_counts() -> None:
    assert outcomes((DELETED, 0), (LIVE, 10), (DELETED, 11)) == ["first_seen", "reappeared", "stale"]


def test_a_delete_date_that_an_absence_got_while_it_lasted_counts() -> None:
    later = make_deletion(LIVE, D12)
    story = [(LIVE, 0), (DELETED, 10), (later, 20), (LIVE, 100)]
    assert outcomes(*story, (later, 101))[-1] == "stale"
    assert outcomes(*story, (DELETED, 101))[-1] == "stale"


def test_the_delete_date_of_a_stale_deletion_does_not_count() -> None:
    earlier = make_deletion(LIVE, "2025-09-09T00:00:00Z")
    story = [(LIVE, 0), (DELETED, 10), (earlier, 20), (LIVE, 100), (earlier, 200)]
    assert outcomes(*story)[2:] == ["stale", "reappeared", "vanished"]


@pytest.mark.parametrize("delete_date", [5, 5.0, "soon", "", {"at": D10}, [D10], False])
def test_a_delete_date_that_is_no_instant_does_not_make_a_deletion_stale_but_its_copy_is_ambiguous(
    delete_date: Any,
) -> None:
    deletion = UNDATED | {"delete_date": delete_date}
    again = last((LIVE, 0), (deletion, 10), (LIVE, 100), (deletion, 101))
    assert (again.outcome, again.certainty) == ("vanished", Certainty.AMBIGUOUS)


@pytest.mark.parametrize(
    "notation", ["2025-09-10T18:15:00Z", "2025-09-10T18:15:00", "2025-09-10T20:15:00.000+02:00", "2025-09-10T18:15"]
)
def test_a_late_copy_of_a_deletion_is_told_by_the_instant_of_its_delete_date_not_by_its_notation(notation: str) -> None:
    late = last((LIVE, 0), (DELETED, 10), (LIVE, 100), (make_deletion(LIVE, notation), 30 * DAY / MINUTE))
    assert (late.outcome, late.certainty) == ("stale", Certainty.UNPROVEN)


def test_a_delete_date_after_its_receipt_proves_no_late_copy() -> None:
    future = make_deletion(LIVE, "2099-01-01T00:00:00Z")
    again = last((LIVE, 0), (future, 10), (LIVE, 100), (future, 2 * DAY / MINUTE))
    assert (again.outcome, again.certainty) == ("vanished", Certainty.UNPROVEN)


def test_delete_dates_of_different_types_are_different_delete_dates() -> None:
    assert outcomes((LIVE, 0), (UNDATED | {"delete_date": 1}, 10), (LIVE, 100), (UNDATED | {"delete_date": True}, 200))[
        -1
    ] == ("vanished")


@pytest.mark.parametrize("undated", [UNDATED, UNDATED | {"delete_date": None}], ids=["absent", "null"])
def test_deletions_without_a_delete_date_are_never_taken_for_copies_of_one_another(undated: dict[str, Any]) -> None:
    absent = [UNDATED, UNDATED | {"delete_date": None}]
    for again in absent:
        assert outcomes((LIVE, 0), (undated, 10), (LIVE, 100), (again, 200))[-1] == "vanished"


def test_only_the_newest_delete_dates_are_remembered() -> None:
    story: list[tuple[dict[str, Any], float]] = []
    for day in range(MAX_DELETE_DATES + 1):
        story += [(LIVE, 200.0 * day), (make_deletion(LIVE, f"2025-10-01T00:00:{day:02}Z"), 200.0 * day + 100)]
    record = last(*story, (LIVE, 200.0 * MAX_DELETE_DATES + 200)).record
    now = 200.0 * MAX_DELETE_DATES + 201

    assert record.reappearances == MAX_DELETE_DATES + 1
    assert len(record.delete_dates) == MAX_DELETE_DATES
    assert outcomes((make_deletion(LIVE, "2025-10-01T00:00:00Z"), now), record=record) == ["vanished"]
    assert outcomes((make_deletion(LIVE, "2025-10-01T00:00:01Z"), now), record=record) == ["stale"]
    assert outcomes((make_deletion(LIVE, f"2025-10-01T00:00:{MAX_DELETE_DATES:02}Z"), now), record=record) == ["stale"]


def test_a_delete_date_seen_twice_is_remembered_once() -> None:
    record = last((LIVE, 0), (DELETED, 1), (DELETED | {"rating": 1}, 2), (DELETED | {"rating": 2}, 3)).record
    assert record.delete_dates == (f'"{D10}"',)


# Partoo's own story, and time


def test_partoos_own_story_of_september_is_told_whole() -> None:
    edited = LIVE | {"rating": 4, "content": "Mieux"}
    day = DAY / MINUTE
    decisions = tell((edited, 0), (make_deletion(edited, D10), 6 * day), (edited, 11 * day))

    assert [decision.outcome for decision in decisions] == ["first_seen", "vanished", "reappeared"]
    assert not any(ambiguous(decision) for decision in decisions)
    back = decisions[-1]
    assert back.record.review == edited
    assert back.change is not None
    assert back.change.missing_for == 5 * DAY


def test_times_of_receipt_that_run_backwards_count_as_the_last_one_seen() -> None:
    decisions = tell((LIVE, 10), (NEWER, 5), (NEWER, 3), (DELETED, 1), (NEWER, 0), (NEWER, 12))
    assert [decision.outcome for decision in decisions] == [
        "first_seen",
        "updated",
        "unchanged",
        "vanished",
        "reappeared",
        "unchanged",
    ]
    assert [decision.record.last_received_at - START for decision in decisions] == [10 * MINUTE] * 5 + [12 * MINUTE]
    changes = [decision.change for decision in decisions if decision.change is not None]
    assert [change.received_at - START for change in changes] == [10 * MINUTE] * 4
    assert changes[-1].missing_for == 0
    assert decisions[3].record.missing_since == START + 10 * MINUTE


def test_a_stale_delivery_moves_the_time_that_later_ones_cannot_go_behind() -> None:
    decisions = tell((LIVE, 0), (OLDER, 10), (NEWER, 5))
    assert decisions[-1].change is not None
    assert decisions[-1].change.received_at == START + 10 * MINUTE


def test_a_decision_does_not_change_the_record_or_the_review_it_was_made_from() -> None:
    record = last((LIVE, 0), (DELETED, 1)).record
    before = msgspec.json.encode(record)
    shown = make_review(rating=5)
    last((shown, 2), record=record)
    assert msgspec.json.encode(record) == before
    assert shown == make_review(rating=5)
