"""The lifecycle table: every pair is there, and nothing is a dead end."""

import itertools

import pytest

from mirror.domain.lifecycle import FIRST_STATUS, TRANSITIONS, Status, Trigger, diagram


def test_every_pair_of_status_and_trigger_stands_in_the_table() -> None:
    assert set(TRANSITIONS) == set(itertools.product(Status, Trigger))


def test_a_review_can_be_first_seen_by_every_trigger_that_a_delivery_can_be() -> None:
    assert FIRST_STATUS == {Trigger.SHOWN: Status.LIVE, Trigger.DELETED: Status.MISSING}


@pytest.mark.parametrize("status", Status)
def test_no_status_is_terminal(status: Status) -> None:
    assert {TRANSITIONS[status, trigger] for trigger in Trigger} - {status} or status is Status.LIVE
    assert TRANSITIONS[status, Trigger.SHOWN] is Status.LIVE


@pytest.mark.parametrize("status", Status)
def test_every_status_can_be_reached_from_every_other(status: Status) -> None:
    reached = {status}
    for _ in Status:
        reached |= {TRANSITIONS[one, trigger] for one in reached for trigger in Trigger}
    assert reached == set(Status)


def test_only_the_end_of_the_grace_period_makes_a_review_gone_and_only_a_missing_one() -> None:
    into_gone = {pair for pair, after in TRANSITIONS.items() if after is Status.GONE and pair[0] is not Status.GONE}
    assert into_gone == {(Status.MISSING, Trigger.GRACE_OVER)}


def test_a_deletion_never_makes_a_review_live_nor_a_gone_one_missing() -> None:
    assert TRANSITIONS[Status.LIVE, Trigger.DELETED] is Status.MISSING
    assert TRANSITIONS[Status.MISSING, Trigger.DELETED] is Status.MISSING
    assert TRANSITIONS[Status.GONE, Trigger.DELETED] is Status.GONE


def test_the_end_of_the_grace_period_leaves_a_live_review_live() -> None:
    assert TRANSITIONS[Status.LIVE, Trigger.GRACE_OVER] is Status.LIVE


def test_the_diagram_shows_every_transition_once_and_nothing_else() -> None:
    lines = diagram().splitlines()
    first = [f"[*] --> {status}: {trigger}" for trigger, status in FIRST_STATUS.items()]
    rest = [f"{before} --> {after}: {trigger}" for (before, trigger), after in TRANSITIONS.items()]
    assert lines[0] == "stateDiagram-v2"
    assert sorted(line.strip() for line in lines[1:]) == sorted(first + rest)
