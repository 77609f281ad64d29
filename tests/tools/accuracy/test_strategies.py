"""Ordinary guards fail where they are said to."""

from tools.accuracy.strategies import wrong_at_the_end
from tools.simulator.planning import PRESETS, Wire, plan
from tools.simulator.population import Population, Truth, life


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
