"""Ordinary guards fail where they are said to, and the report says when the mirror does."""

from dataclasses import replace

import pytest

from tools.accuracy.report import Row, failures, table
from tools.accuracy.stack import Outcome
from tools.accuracy.strategies import wrong_at_the_end
from tools.simulator.planning import PRESETS, Wire, plan
from tools.simulator.population import Population, Truth, life

PERFECT = Outcome(
    reviews=300,
    wrong=0,
    differing=[],
    history_missing=0,
    history_surplus=0,
    deliveries=1600,
    returns=120,
    api_requests=10,
    disruptions=0,
    lost=0,
)
STRATEGIES = {"body hash": 30, "newer clock": 200, "clock not older": 3, "last arrival": 3}
ROW = Row("faulty", PERFECT, PERFECT, STRATEGIES)


def wrong(wire: Wire) -> dict[str, int]:
    population = Population(reviews=100, days=30)
    events = list(life(1, population))
    return wrong_at_the_end(plan(events, wire, 1), dict(Truth(events).reviews()))


def test_without_any_fault_a_body_hash_loses_returns_and_a_strict_clock_loses_more() -> None:
    found = wrong(PRESETS["clean"])
    assert found["last arrival"] == 0
    assert 0 < found["body hash"] < found["newer clock"]


def test_late_copies_mislead_whoever_takes_the_last_arrival() -> None:
    assert wrong(Wire(late=1.0, backoff=60))["last arrival"] > 0


def test_try_outs_and_other_events_mislead_no_strategy() -> None:
    assert wrong(Wire(tryouts=0.5, other_events=0.5)) == wrong(PRESETS["clean"])


def test_a_row_that_is_as_it_must_be_has_no_failure() -> None:
    assert list(failures([ROW])) == []


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (replace(ROW, with_key=replace(PERFECT, wrong=1)), "wrong with an API key"),
        (replace(ROW, without_key=replace(PERFECT, wrong=2)), "more than 0.5%"),
        (replace(ROW, wire="hostile", without_key=replace(PERFECT, wrong=4)), "than with last arrival"),
        (replace(ROW, wire="clean", without_key=replace(PERFECT, history_missing=1)), "lack 1 events"),
        (replace(ROW, with_key=replace(PERFECT, lost=1)), "were lost because of an answer"),
    ],
)
def test_each_way_of_being_wrong_is_a_failure(row: Row, words: str) -> None:
    (told,) = failures([row])
    assert words in told


def test_the_table_shows_counts_and_shares() -> None:
    line = table([replace(ROW, without_key=replace(PERFECT, wrong=3))]).splitlines()[-1]
    assert line.startswith("| faulty | 1600 | 120 | 0 | 3 (1.0%) | 0 (0.0%) | 10 | 30 (10.0%) |")
