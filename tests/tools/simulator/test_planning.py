import json
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.simulator.planning import PRESETS, Part, PlannedDelivery, Wire, plan
from tools.simulator.population import Kind, Population, TruthEvent, life
from tools.simulator.wire import TRYOUT_HEADER

ROOT = Path(__file__).parents[3]
POPULATION = Population(reviews=60, businesses=3, days=60, changes_per_day=0.3)
EVENTS = list(life(1, POPULATION))
FEW = list(life(2, replace(POPULATION, reviews=10)))
SHARES = st.sampled_from([0.0, 0.05, 0.3])
WIRES = st.builds(
    Wire,
    duplicates=SHARES,
    late=SHARES,
    lost=SHARES,
    reordered=SHARES,
    tryouts=SHARES,
    other_events=SHARES,
    unknown_fields=SHARES,
    backoff=st.sampled_from([1.0, 4.0]),
)


def of(planned: list[PlannedDelivery], *parts: Part) -> list[PlannedDelivery]:
    return [delivery for delivery in planned if delivery.part in parts]


def shown(delivery: PlannedDelivery) -> dict[str, object]:
    event: dict[str, object] = json.loads(delivery.body)
    return event


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), WIRES)
def test_the_same_seed_gives_the_same_plan(seed: int, wire: Wire) -> None:
    assert plan(FEW, wire, seed) == plan(FEW, wire, seed)


def test_another_seed_gives_another_plan() -> None:
    assert plan(EVENTS, PRESETS["bad-day"], 1) != plan(EVENTS, PRESETS["bad-day"], 2)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), WIRES)
def test_deliveries_are_in_order_of_arrival_and_none_comes_before_what_it_tells(seed: int, wire: Wire) -> None:
    planned = plan(FEW, wire, seed)
    assert [delivery.at for delivery in planned] == sorted(delivery.at for delivery in planned)
    assert all(delivery.at >= delivery.event.at for delivery in planned)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), WIRES)
def test_every_event_arrives_once_or_twice_or_is_lost_as_asked_for(seed: int, wire: Wire) -> None:
    arrivals: dict[tuple[int, float], list[Part]] = defaultdict(list)
    for delivery in plan(FEW, wire, seed):
        if delivery.is_news:
            arrivals[delivery.review_id, delivery.event.at].append(delivery.part)
    ways = {(Part.ON_TIME,), (Part.LATE,), (Part.UNACKNOWLEDGED, Part.DUPLICATE)}
    assert {tuple(parts) for parts in arrivals.values()} <= ways
    assert wire.lost or len(arrivals) == len(FEW)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), WIRES)
def test_a_copy_is_the_very_bytes_of_its_original_after_one_to_five_waits(seed: int, wire: Wire) -> None:
    originals = {}
    for delivery in plan(FEW, wire, seed):
        key = delivery.review_id, delivery.event.at
        if delivery.part is Part.UNACKNOWLEDGED:
            originals[key] = delivery
        elif delivery.part is Part.DUPLICATE:
            original = originals.pop(key)
            assert (delivery.body, delivery.headers) == (original.body, original.headers)
            assert wire.backoff <= delivery.at - original.at <= 31 * wire.backoff * 1.1 + 1e-3
    assert not originals


def test_the_clean_wire_brings_every_event_once_in_order_at_its_time() -> None:
    planned = plan(EVENTS, PRESETS["clean"], 1)
    assert [(delivery.event, delivery.at, delivery.part) for delivery in planned] == [
        (event, event.at, Part.ON_TIME) for event in EVENTS
    ]
    for delivery in planned:
        created = delivery.event.kind is Kind.CREATED
        assert shown(delivery) == {
            "type": "review_created" if created else "review_updated",
            "payload": {"review": delivery.event.payload},
        }


def test_a_review_that_is_back_looks_byte_for_byte_as_before() -> None:
    for wire in PRESETS.values():
        bodies: dict[int, bytes] = {}
        compared = 0
        for delivery in plan(EVENTS, replace(wire, duplicates=0, late=0, reordered=0, tryouts=0, other_events=0), 1):
            kind = delivery.event.kind
            if kind is Kind.RETURNED and delivery.review_id in bodies:
                assert delivery.body == bodies[delivery.review_id]
                compared += 1
            if kind not in {Kind.CREATED, Kind.VANISHED}:
                bodies[delivery.review_id] = delivery.body
        assert compared > 10


@pytest.mark.parametrize(("name", "duplicates", "late"), [("faulty", 0.02, 0.03), ("bad-day", 0.1, 0.2)])
def test_the_named_wires_have_their_shares_of_duplicates_and_late_retries(
    name: str, duplicates: float, late: float
) -> None:
    events = list(life(1, replace(POPULATION, reviews=200, days=100)))
    planned = plan(events, PRESETS[name], 1)
    assert len(of(planned, Part.DUPLICATE)) / len(events) == pytest.approx(duplicates, rel=0.25)
    assert len(of(planned, Part.LATE)) / len(events) == pytest.approx(late, rel=0.25)
    assert not of(planned, Part.TRYOUT, Part.OTHER)


def overtaken(planned: list[PlannedDelivery]) -> int:
    """Count the deliveries that arrive after a newer event of their review."""
    newest: dict[int, float] = defaultdict(float)
    count = 0
    for delivery in planned:
        count += delivery.event.at < newest[delivery.review_id]
        newest[delivery.review_id] = max(newest[delivery.review_id], delivery.event.at)
    return count


def test_late_retries_and_reordering_let_newer_events_overtake() -> None:
    assert overtaken(plan(EVENTS, Wire(), 1)) == 0
    assert overtaken(plan(EVENTS, Wire(late=0.2), 1)) > 5
    assert overtaken(plan(EVENTS, Wire(reordered=0.5), 1)) > 5
    assert overtaken(plan(EVENTS, Wire(duplicates=0.2), 1)) > 5


def test_one_fault_more_leaves_the_fate_of_the_other_events_as_it_was() -> None:
    def fates(wire: Wire) -> list[tuple[TruthEvent, float]]:
        return [(delivery.event, delivery.at) for delivery in plan(EVENTS, wire, 1) if delivery.part is Part.DUPLICATE]

    assert fates(Wire(duplicates=0.1)) == fates(Wire(duplicates=0.1, late=0.2, tryouts=0.5, other_events=0.5))


def test_hostile_brings_try_outs_with_their_header_other_events_and_undocumented_fields() -> None:
    planned = plan(EVENTS, PRESETS["hostile"], 1)
    tryouts, others = of(planned, Part.TRYOUT), of(planned, Part.OTHER)
    assert tryouts
    assert all(TRYOUT_HEADER in delivery.headers for delivery in tryouts)
    assert not any(delivery.headers for delivery in planned if delivery.part is not Part.TRYOUT)
    assert len({shown(delivery)["type"] for delivery in others}) > 3
    assert all("review" not in str(shown(delivery)["type"]) for delivery in others)
    around = [delivery for delivery in planned if delivery.is_news and b'"origin"' in delivery.body]
    assert 0 < len(around) < len(planned)
    assert {delivery.hangs_up for delivery in of(planned, Part.UNACKNOWLEDGED)} == {True, False}
    assert not any(delivery.hangs_up for delivery in planned if delivery.part is not Part.UNACKNOWLEDGED)


def test_a_lost_event_never_arrives() -> None:
    planned = plan(EVENTS, Wire(lost=0.2), 1)
    assert 0.1 < 1 - len(planned) / len(EVENTS) < 0.3


@pytest.mark.process
def test_the_example_in_the_documentation_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "simulator.md").read_text(), re.DOTALL)
    subprocess.run([sys.executable, "-c", example], check=True, cwd=ROOT)
