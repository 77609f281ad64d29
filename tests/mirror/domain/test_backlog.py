"""The backlog of an endpoint: whatever fails, each review's events leave in their order."""

import random

from hypothesis import given
from hypothesis import strategies as st

from mirror.domain.backlog import Backlog
from mirror.domain.outgoing import Item


def item(number: int, review_id: int, kind: str = "updated") -> Item:
    return Item(position=f"{number}-0", kind=kind, review_id=review_id, version=number)


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=40), st.randoms())
def test_of_each_review_one_is_on_its_way_and_the_order_holds(
    events: list[tuple[int, bool]], chance: random.Random
) -> None:
    backlog = Backlog()
    sent: list[Item] = []
    way: list[tuple[Item, bool]] = []
    for number, (review_id, fails) in enumerate(events, 1):
        backlog.add(item(number, review_id))
        while (taken := backlog.take(number)) is not None:
            assert taken.review_id not in {one.review_id for one, _ in way}
            way.append((taken, fails))
        if way and chance.random() < 0.7:
            one, failed = way.pop(chance.randrange(len(way)))
            if failed and not one.failures:
                one.failures, one.next_at = 1, number + 3
                backlog.failed(one)
            else:
                sent.append(one)
                backlog.done(one)
    while way or backlog.size:
        for one, _ in way:
            sent.append(one)
            backlog.done(one)
        way = []
        while (taken := backlog.take(1_000)) is not None:
            way.append((taken, False))
    assert sorted(one.version for one in sent) == list(range(1, len(events) + 1))
    for review_id in range(4):
        versions = [one.version for one in sent if one.review_id == review_id]
        assert versions == sorted(versions)


def held(number: int) -> Item:
    vanished = item(number, 34, "vanished")
    vanished.next_at = vanished.held_until = 100
    return vanished


def test_a_return_before_its_time_takes_the_disappearance_back() -> None:
    backlog = Backlog()
    backlog.add(held(1))
    backlog.add(item(2, 34))
    assert {one.version for one in backlog.heal(34, 99) or ()} == {1, 2}
    assert (backlog.size, backlog.held) == (0, 0)
    assert backlog.take(1_000) is None


def test_a_return_after_its_time_is_told_behind_it() -> None:
    backlog = Backlog()
    backlog.add(held(1))
    assert backlog.heal(34, 100) is None
    backlog.add(item(200, 34, "reappeared"))
    first = backlog.take(1_000)
    assert first is not None
    assert first.kind == "vanished"


def test_a_disappearance_that_was_tried_is_not_taken_back() -> None:
    backlog = Backlog()
    backlog.add(held(1))
    tried = backlog.take(100)
    assert tried is not None
    tried.failures, tried.next_at = 1, 500
    backlog.failed(tried)
    assert backlog.heal(34, 50) is None


def test_a_disappearance_that_is_due_waits_until_it_is_known_whether_the_review_is_back() -> None:
    backlog = Backlog()
    backlog.add(held(1))
    backlog.add(item(2, 35))
    others = backlog.take(100, all_known=False)
    assert others is not None
    assert others.review_id == 35
    assert backlog.take(100, all_known=False) is None
    assert backlog.take(99) is None
    assert backlog.take(100) is not None


def test_a_demand_to_forget_goes_before_all_that_waits() -> None:
    backlog = Backlog()
    backlog.add(held(1))
    assert [one.version for one in backlog.erase(34)] == [1]
    backlog.add(item(2, 34, "forgotten"))
    first = backlog.take(0)
    assert first is not None
    assert first.kind == "forgotten"
