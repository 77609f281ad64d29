"""What a record remembers of states before the current one, also where an earlier release wrote it."""

from typing import Any

import msgspec
import pytest

from mirror.domain.changes import Certainty
from mirror.domain.clocks import Payload, instant
from mirror.domain.decisions import Decision
from mirror.domain.previous_states import MAX_STATES, added, ages_after, find, fingerprint
from mirror.domain.record import PreviousState, Record
from mirror.domain.reducer import reduce
from tests.mirror.domain.reviews import D10, DELETED, EQUAL, LIVE, NEWER, OLDER, UNDATED
from tests.mirror.domain.stories import MINUTE, START, WINDOWS, deliver, last, tell
from tests.support import make_deletion

LATE = WINDOWS.late / MINUTE
CLOCK = instant(LIVE["update_date"])


def redelivered(record: Record, review: dict[str, Any], minute: float, first_attempt: float) -> Decision:
    delivery = deliver(review, minute)
    first_attempt_at = START + round(first_attempt * MINUTE)
    return reduce(record, msgspec.structs.replace(delivery, first_attempt_at=first_attempt_at), WINDOWS)


def test_the_fingerprint_of_a_state_covers_every_field_and_no_order_of_keys() -> None:
    assert fingerprint(LIVE) == fingerprint(dict(reversed(LIVE.items())))
    assert len({fingerprint(one) for one in (LIVE, EQUAL, LIVE | {"new": None}, LIVE | {"rating": 3.0})}) == 4


def test_updates_deletions_and_returns_leave_states_behind_with_their_times_and_clocks() -> None:
    record = last((LIVE, 0), (EQUAL, 10), (make_deletion(EQUAL), 20), (UNDATED, 30), (NEWER, 40)).record
    at = [START + minute * MINUTE for minute in (0, 10, 20, 30, 40)]
    assert set(record.previous_states) == {
        PreviousState(fingerprint(LIVE), at[0], at[1], "update_date", CLOCK),
        PreviousState(fingerprint(EQUAL), at[1], at[2], "update_date", CLOCK),
        PreviousState(fingerprint(make_deletion(EQUAL)), at[2], at[3], "delete_date", instant(D10)),
        PreviousState(fingerprint(UNDATED), at[3], at[4], "delete_date", None),
    }


def test_a_return_as_before_leaves_only_the_deletion_behind() -> None:
    record = last((LIVE, 0), (DELETED, 10), (LIVE, 20)).record
    assert [state.fingerprint for state in record.previous_states] == [fingerprint(DELETED)]


def test_a_state_left_twice_is_remembered_once_as_it_was_left_last() -> None:
    record = last((LIVE, 0), (EQUAL, 10), (LIVE, 20), (EQUAL, 30)).record
    assert [state.fingerprint for state in record.previous_states] == [fingerprint(EQUAL), fingerprint(LIVE)]
    known = find(record, LIVE)
    assert known is not None
    assert (known.since, known.until) == (START + 20 * MINUTE, START + 30 * MINUTE)


def test_where_states_may_have_been_forgotten_no_clock_proves_news() -> None:
    record = tell((LIVE, 0))[-1].record
    for number in range(MAX_STATES):
        kept = added(record, Payload(LIVE | {"rating": number}, START), START, START + MINUTE)
        record = msgspec.structs.replace(record, **kept)
    assert ages_after(record, START) is None
    assert last((NEWER, 2), record=record).certainty is Certainty.UNPROVEN
    # Once none of them can be newer any more, the last delivery included, a clock counts again.
    assert ages_after(record, START + MINUTE) == []
    assert last((NEWER, 1 + LATE), record=record).certainty is Certainty.PROVEN


# Failed attempts


def test_a_failed_attempt_of_what_was_mirrored_then_proves_nothing_about_a_return() -> None:
    missing = last((LIVE, 0), (DELETED, 60)).record
    back = redelivered(missing, LIVE, 120, first_attempt=30)
    assert (back.outcome, back.certainty) == ("reappeared", Certainty.UNPROVEN)


def test_a_failed_attempt_of_a_previous_state_while_it_was_mirrored_proves_nothing_about_its_return() -> None:
    edited = last((LIVE, 0), (EQUAL, 60)).record
    back = redelivered(edited, LIVE, 120, first_attempt=30)
    assert (back.outcome, back.certainty) == ("updated", Certainty.AMBIGUOUS)


def test_a_failed_attempt_from_before_a_copy_was_accepted_proves_nothing_about_a_return() -> None:
    """The bytes were stored by one web process before another had told that it refused them."""
    missing = last((LIVE, 10), (LIVE, 20), (DELETED, 60)).record
    assert redelivered(missing, LIVE, 120, first_attempt=5).outcome == "reappeared"


@pytest.mark.parametrize(("first_attempt", "outcome"), [(59, "stale"), (61, "updated")])
def test_what_failed_before_the_last_change_and_would_have_been_news_then_is_kept_out_in_doubt(
    first_attempt: float, outcome: str
) -> None:
    edited = last((LIVE, 0), (EQUAL, 60)).record
    decision = redelivered(edited, LIVE | {"rating": 0}, 120, first_attempt)
    assert (decision.outcome, decision.certainty) == (outcome, Certainty.UNPROVEN)
    assert decision.record.certainty is Certainty.UNPROVEN


def test_a_failed_attempt_does_not_keep_out_what_its_clock_proves() -> None:
    edited = last((LIVE, 0), (EQUAL, 60)).record
    decision = redelivered(edited, NEWER, 120, first_attempt=30)
    assert (decision.outcome, decision.certainty) == ("updated", Certainty.PROVEN)


# Records of an earlier release


def as_before(record: Record, *left: dict[str, Any]) -> Record:
    """Return a record as the earlier release wrote it, with the fingerprints of states it had left."""
    names = ("since", "live_since", "delivered_at", "previous_states", "unproven", "extra", "read_fields")
    stored = msgspec.json.decode(msgspec.json.encode(record))
    old = {name: value for name, value in stored.items() if name not in names}
    old["left"] = [fingerprint(one) for one in left]
    return msgspec.convert(old, Record)


def test_a_live_record_of_an_earlier_release_is_gone_on_with() -> None:
    old = as_before(last((LIVE, 0)).record)
    assert last((LIVE, 10), record=old).outcome == "unchanged"
    assert last((OLDER, 10), record=old).outcome == "stale"
    assert last((OLDER, LATE), record=old).outcome == "updated"
    assert last((NEWER, 10), record=old).certainty is Certainty.PROVEN
    assert last((DELETED, 10), record=old).outcome == "vanished"


def test_a_state_that_an_earlier_release_left_makes_a_return_to_it_ambiguous() -> None:
    old = as_before(last((LIVE, 0), (EQUAL, 10)).record, LIVE)
    back = last((LIVE, 20), record=old)
    assert (back.outcome, back.certainty) == ("updated", Certainty.AMBIGUOUS)
    assert back.record.previous_fingerprints == ()
    assert find(back.record, EQUAL) is not None
    # Its clock is not known, so it may be newer than any.
    assert last((NEWER, 20), record=old).certainty is Certainty.UNPROVEN
    assert last((NEWER, 10 + LATE), record=old).certainty is Certainty.PROVEN


def test_a_missing_record_of_an_earlier_release_is_gone_on_with() -> None:
    old = as_before(last((LIVE, 0), (DELETED, 60)).record)
    assert last((DELETED, 70), record=old).outcome == "unchanged"
    assert last((OLDER, 70), record=old).outcome == "stale"
    assert last((OLDER, 60 + LATE), record=old).outcome == "reappeared"
    certainties = [last((LIVE, minute), record=old).certainty for minute in (70, 60 + LATE)]
    assert certainties == [Certainty.UNPROVEN, Certainty.PROVEN]
    assert last((LIVE, 30), record=as_before(last((LIVE, 0), (DELETED, 20)).record)).certainty is Certainty.AMBIGUOUS
