"""What holds of the reducer and of the history whatever is delivered, in whatever order."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.domain.changes import Change, Source, weaker
from mirror.domain.clocks import filter_clock
from mirror.domain.decisions import MAX_DELETE_DATES, Decision
from mirror.domain.history import first_payload, replay
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.lifecycle import Status
from mirror.domain.previous_states import MAX_STATES
from mirror.domain.record import Delivery, Record
from mirror.domain.reducer import reduce
from mirror.domain.review import is_deleted
from mirror.domain.settling import RULES, settle
from mirror.domain.wire import decode_review
from mirror.views import changes_view, record_view
from tests.mirror.domain.stories import DAY, START, WINDOWS, after_grace, fold
from tests.mirror.domain.strategies import ANYTHING, COLLIDING, STEPS, Step

# Where payloads of reviews come from.
REPORTS = [source for source, rule in RULES.items() if rule is RULES[Source.WEBHOOK]]
OUTCOMES = {"first_seen", "updated", "vanished", "reappeared", "unchanged", "stale"}

quick = settings(deadline=None, max_examples=50)
thorough = settings(deadline=None, max_examples=100)


def as_entries(steps: list[Step]) -> list[Entry]:
    """Write the steps as inbox entries, the way the wire brings them."""
    entries, at = [], START
    for number, (review, gap) in enumerate(steps):
        at += gap
        body = json.dumps({"type": "review_updated", "payload": {"review": review}}).encode()
        source = REPORTS[number % len(REPORTS)]
        entries.append(Entry(make_delivery_id(at, number), at, source, body))
    return entries


def as_deliveries(steps: list[Step]) -> list[Delivery]:
    return [
        Delivery(entry.delivery_id, entry.received_at, decode_review(entry.body).review, entry.source)
        for entry in as_entries(steps)
    ]


def decide(steps: list[Step]) -> list[Decision]:
    return fold(None, as_deliveries(steps), WINDOWS)


def stored(record: Record | None) -> Record | None:
    """Return a record as storage gives it back."""
    return None if record is None else msgspec.json.decode(msgspec.json.encode(record), type=Record)


def stored_changes(decisions: list[Decision]) -> list[Change]:
    changes = [decision.change for decision in decisions if decision.change is not None]
    return [msgspec.json.decode(msgspec.json.encode(change), type=Change) for change in changes]


def exact(value: Any) -> bytes:
    """Encode for a comparison that tells 1 from 1.0 and from True."""
    return msgspec.json.encode(value, order="sorted")


def public(record: Record | None) -> bytes:
    assert record is not None
    view = record_view(record)
    del view["last_received_at"]
    # A delivery that changes nothing may lower it, which is no part of the history.
    del view["certainty"]
    return exact(view)


@thorough
@given(ANYTHING, st.integers(0, 7))
def test_reduce_never_raises_and_always_knows_an_outcome(steps: list[Step], grace_after: int) -> None:
    record = None
    for number, delivery in enumerate(as_deliveries(steps)):
        decision = reduce(record, delivery, WINDOWS)
        record = decision.record

        assert str(decision.outcome) in OUTCOMES
        assert (decision.reason is not None) == (decision.outcome == "stale")
        assert (decision.change is None) == (decision.outcome in {"stale", "unchanged"})
        assert (record.status is Status.LIVE) != is_deleted(record.review)
        assert (record.missing_since is None) == (record.status is Status.LIVE)
        assert len(record.delete_dates) <= MAX_DELETE_DATES
        assert len(record.previous_states) <= MAX_STATES
        assert exact(stored(record)) == exact(record)
        if number == grace_after:
            record = after_grace(record)


@thorough
@given(STEPS, st.integers(0, DAY))
def test_the_same_delivery_again_changes_nothing_but_times_of_receipt(steps: list[Step], later: int) -> None:
    record = None
    for delivery in as_deliveries(steps):
        record = reduce(record, delivery, WINDOWS).record
        at = delivery.received_at + later
        again = reduce(record, msgspec.structs.replace(delivery, delivery_id="again", received_at=at), WINDOWS)

        assert again.outcome in {"unchanged", "stale"}
        assert again.change is None
        expected = msgspec.structs.replace(
            record,
            last_received_at=max(at, record.last_received_at),
            live_received_at=again.record.live_received_at,
            delivered_at=max(at, record.last_received_at),
            unproven=again.record.unproven,
            previous_states=again.record.previous_states,
        )
        assert not (record.unproven and not again.record.unproven)
        assert exact(again.record) == exact(expected)


@thorough
@given(STEPS)
def test_what_is_mirrored_delivered_again_is_unchanged_however_it_came_about(steps: list[Step]) -> None:
    for decision in decide(steps):
        mirrored = Delivery("again", decision.record.last_received_at, decision.record.review)
        assert reduce(decision.record, mirrored, WINDOWS).outcome == "unchanged"


@quick
@given(STEPS, st.lists(st.integers(1, 4), max_size=12))
def test_one_by_one_or_in_batches_or_folded_deliveries_give_the_same_record_and_history(
    steps: list[Step], sizes: list[int]
) -> None:
    entries = as_entries(steps)
    at_once = settle(None, entries, WINDOWS)
    folded = decide(steps)
    record, changes, rest = None, [], entries
    for size in [*sizes, *[1] * len(entries)]:
        settled = settle(stored(record), rest[:size], WINDOWS)
        record, rest = settled.record, rest[size:]
        changes += settled.changes

    assert rest == []
    assert at_once.dead_letters == []
    assert exact(record) == exact(at_once.record) == exact(folded[-1].record)
    assert exact(changes) == exact(at_once.changes) == exact([one.change for one in folded if one.change is not None])


@thorough
@given(STEPS)
def test_every_prefix_of_the_history_replays_to_the_record_as_it_was_then(steps: list[Step]) -> None:
    decisions = decide(steps)
    record = stored(decisions[-1].record)
    assert record is not None
    changes = stored_changes(decisions)

    first = first_payload(record, changes)
    assert exact(first) == exact(as_deliveries(steps)[0].review)
    assert replay(first, []) is None
    for decision in decisions:
        told = replay(first, changes[: decision.record.version])
        assert public(told) == public(decision.record)
        assert told is not None
        assert weaker(told.certainty, decision.record.certainty) is decision.record.certainty


@quick
@given(STEPS)
def test_a_history_from_any_later_point_gives_the_same_first_payload(steps: list[Step]) -> None:
    decisions = decide(steps)
    changes = stored_changes(decisions)
    for decision in decisions:
        first = first_payload(decision.record, changes[: decision.record.version])
        assert exact(first) == exact(decisions[0].record.review)


@quick
@given(STEPS)
def test_versions_count_the_changes_from_one_without_gaps(steps: list[Step]) -> None:
    decisions = decide(steps)
    changes = [decision.change for decision in decisions if decision.change is not None]
    assert [change.version for change in changes] == list(range(1, len(changes) + 1))
    assert decisions[-1].record.version == len(changes)


@quick
@given(STEPS)
def test_no_time_of_a_record_or_a_history_ever_runs_backwards(steps: list[Step]) -> None:
    decisions = decide(steps)
    for name in ("last_received_at", "last_changed_at", "live_received_at"):
        times = [getattr(decision.record, name) for decision in decisions]
        assert times == sorted(times)
    for decision, delivery in zip(decisions, as_deliveries(steps), strict=True):
        assert decision.record.last_received_at >= delivery.received_at
        assert decision.record.first_seen_at == START + steps[0][1]
        assert decision.change is None or (decision.change.missing_for or 0) >= 0
    received = [decision.change.received_at for decision in decisions if decision.change is not None]
    assert received == sorted(received)


@thorough
@given(STEPS)
def test_a_deletion_never_loses_the_last_live_snapshot(steps: list[Step]) -> None:
    last_live = None
    for decision in decide(steps):
        if decision.change is not None and not is_deleted(decision.delivery.review):
            last_live = decision.delivery.review
        assert exact(decision.record.live_snapshot) == exact(last_live)


@thorough
@given(COLLIDING)
def test_after_a_live_delivery_no_older_than_any_before_it_the_review_equals_it(steps: list[Step]) -> None:
    newest = -(2**63)
    for decision in decide(steps):
        review = decision.delivery.review
        moment = filter_clock(review)
        if not is_deleted(review) and (moment is None or moment >= newest):
            assert exact(decision.record.review) == exact(review)
            assert decision.record.status is Status.LIVE
        newest = max(newest, newest if moment is None else moment)


@quick
@given(STEPS)
def test_a_change_always_leaves_the_delivered_review_mirrored_and_anything_else_leaves_the_old_one(
    steps: list[Step],
) -> None:
    before = None
    for decision in decide(steps):
        expected = before if decision.change is None else decision.delivery.review
        assert exact(decision.record.review) == exact(expected)
        before = decision.record.review


@quick
@given(STEPS)
def test_every_change_can_be_shown_and_the_first_one_tells_every_field(steps: list[Step]) -> None:
    decisions = decide(steps)
    changes = stored_changes(decisions)
    views = changes_view(changes, first_payload(decisions[-1].record, changes))
    first = decisions[0].delivery.review

    assert exact(views[0]["fields"]) == exact({name: [None, value] for name, value in first.items()})
    assert sorted(views[0]["added"]) == sorted(first)
    assert [view["version"] for view in views] == list(range(1, len(changes) + 1))
    assert msgspec.json.decode(msgspec.json.encode(views)) is not None


@pytest.mark.parametrize("absences", [1, 40, 80])
def test_a_review_that_flaps_without_end_keeps_its_whole_history_and_a_bounded_record(absences: int) -> None:
    shown = {"id": 34, "state": "treated"}
    steps: list[Step] = []
    for number in range(absences):
        steps += [(shown, DAY), ({"id": 34, "state": "deleted", "delete_date": str(number)}, DAY)]
    decisions = decide([*steps, (shown, DAY)])
    record, changes = decisions[-1].record, stored_changes(decisions)

    assert record.reappearances == absences
    assert public(replay(first_payload(record, changes), changes)) == public(record)
    assert len(msgspec.json.encode(record)) < 3_000
