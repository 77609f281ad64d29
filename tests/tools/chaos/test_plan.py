"""The same seed gives the same run."""

from collections import Counter

import msgspec
import pytest

from mirror.domain.decisions import Decision
from mirror.domain.record import Delivery, Windows
from mirror.domain.wire import decode_review
from tests.mirror.domain.stories import fold
from tools.chaos.lives import life
from tools.chaos.plan import KINDS, make_plan


def test_the_same_seed_gives_the_same_faults_and_another_seed_others() -> None:
    first, again, other = (make_plan(seed, 1000, 60, list(KINDS)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_every_kind_of_fault_comes_about_as_often_as_any_other_and_in_order() -> None:
    plan = make_plan(1, 200_000, 60, list(KINDS))
    counts = Counter(fault.kind for fault in plan)
    assert set(counts) == set(KINDS)
    assert max(counts.values()) - min(counts.values()) <= 1
    assert [fault.at for fault in plan] == sorted(fault.at for fault in plan)
    for fault in plan:
        shortest, longest = KINDS[fault.kind]
        assert shortest <= fault.seconds <= longest


def test_the_same_seed_gives_the_same_deliveries() -> None:
    assert list(life(1, 34, 50)) == list(life(1, 34, 50)) != list(life(2, 34, 50))


@pytest.mark.parametrize("seed", range(3))
def test_a_life_holds_all_that_can_happen_to_a_review_and_none_of_it_is_in_doubt(seed: int) -> None:
    sent = [one for review_id in range(30) for one in life(seed, review_id, 100)]
    assert {one.status for one in sent} == {"accepted", "dead_letter", "ignored"}
    outcomes: Counter[str] = Counter()
    for review_id in range(30):
        outcomes.update(str(decision.outcome) for decision in decisions(seed, review_id))
    assert set(outcomes) == {"first_seen", "updated", "vanished", "reappeared", "unchanged"}


def decisions(seed: int, review_id: int) -> list[Decision]:
    bodies = [one.body for one in life(seed, review_id, 100) if one.status == "accepted"]
    deliveries = [Delivery(f"{number:024x}", number, decode_review(body).review) for number, body in enumerate(bodies)]
    return fold(None, deliveries, Windows())


def test_a_plan_can_be_written_down() -> None:
    plan = make_plan(1, 1000, 5, list(KINDS))
    assert msgspec.json.decode(msgspec.json.encode(plan), type=list[type(plan[0])]) == plan  # type: ignore[misc]
