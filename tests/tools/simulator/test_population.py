import json
import math
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.simulator.population import START, Kind, Moving, Population, Truth, TruthEvent, iso, life, moment
from tools.simulator.population.events import ABSENCES, DAY

LIVELY = Population(reviews=12, businesses=3, days=40, absences_per_day=0.1, business_absences_per_day=0.05)
SEEDS = st.integers(0, 10_000)
POPULATIONS = st.builds(
    Population,
    reviews=st.integers(1, 8),
    businesses=st.integers(1, 3),
    days=st.floats(1, 60),
    changes_per_day=st.sampled_from([0, 0.1, 3]),
    absences_per_day=st.sampled_from([0, 0.1, 1]),
    business_absences_per_day=st.sampled_from([0, 0.2]),
    returning=st.sampled_from([0, 0.75, 1]),
    flapping=st.sampled_from([0, 0.5, 1]),
    unknown_fields=st.sampled_from([0, 0.5]),
    moves_update_date=st.frozensets(st.sampled_from(Moving)),
    delete_date=st.booleans(),
)


def lives(seed: int, population: Population) -> dict[int, list[TruthEvent]]:
    events = defaultdict(list)
    for event in life(seed, population):
        events[event.review_id].append(event)
    return events


@settings(max_examples=30, deadline=None)
@given(SEEDS, POPULATIONS)
def test_the_same_seed_gives_the_same_life(seed: int, population: Population) -> None:
    assert list(life(seed, population)) == list(life(seed, population))


def test_another_seed_gives_another_life() -> None:
    assert list(life(1, LIVELY)) != list(life(2, LIVELY))


@settings(max_examples=30, deadline=None)
@given(SEEDS, POPULATIONS)
def test_events_are_in_order_of_time_and_within_it(seed: int, population: Population) -> None:
    times = [event.at for event in life(seed, population)]
    assert times == sorted(times)
    assert all(0 <= at < population.days * DAY for at in times)


@settings(max_examples=60, deadline=None)
@given(SEEDS, POPULATIONS)
def test_every_review_is_created_once_and_whatever_returns_was_away_and_is_identical_to_what_it_was(
    seed: int, population: Population
) -> None:
    found = lives(seed, population)
    assert len(found) == population.reviews
    for events in found.values():
        assert [event.kind for event in events].count(Kind.CREATED) == 1
        assert events[0].kind is Kind.CREATED
        live, away = events[0].payload, False
        for before, event in pairwise(events):
            assert before.at < event.at
            assert (event.kind is Kind.RETURNED) is away
            if event.kind is Kind.RETURNED:
                # Field for field and in the same order, which makes the bytes the same.
                assert json.dumps(event.payload) == json.dumps(live)
            away = event.kind in ABSENCES
            live = live if away else event.payload
            assert before.kind is not Kind.DELETED


@settings(max_examples=60, deadline=None)
@given(SEEDS, POPULATIONS)
def test_every_event_but_a_return_shows_another_review_than_the_one_before(seed: int, population: Population) -> None:
    for events in lives(seed, population).values():
        for before, event in pairwise(events):
            assert before.payload != event.payload
            assert event.payload["id"] == event.review_id
            assert (event.payload["state"] == "deleted") is (event.kind in ABSENCES)
            assert ("delete_date" in event.payload) is (event.kind in ABSENCES and population.delete_date)


MOVED = {
    Kind.TAGGED: Moving.TAGS,
    Kind.UNTAGGED: Moving.TAGS,
    Kind.MARKED: Moving.STATE,
    Kind.REPLIED: Moving.REPLY,
    Kind.VANISHED: Moving.DELETION,
    Kind.DELETED: Moving.DELETION,
}


@pytest.mark.parametrize("moves", [frozenset(), *(frozenset({one}) for one in Moving), frozenset(Moving)])
def test_update_date_moves_on_edits_and_on_what_it_is_told_to(moves: frozenset[Moving]) -> None:
    seen = set()
    for events in lives(7, replace(LIVELY, changes_per_day=1, moves_update_date=moves)).values():
        for before, event in pairwise(events):
            if before.kind in ABSENCES:
                continue
            seen.add(event.kind)
            moved = event.payload["update_date"] == iso(event.at)
            assert moved is (event.kind not in MOVED or MOVED[event.kind] in moves)
    assert seen == set(Kind) - {Kind.CREATED, Kind.RETURNED}


def test_three_quarters_of_the_deletions_come_back_unless_told_otherwise() -> None:
    kinds = [event.kind for event in life(3, Population(reviews=400, days=60))]
    gone, back = kinds.count(Kind.DELETED), kinds.count(Kind.VANISHED)
    assert gone + back > 300
    assert back / (gone + back) == pytest.approx(0.75, abs=0.06)


@pytest.mark.parametrize(("returning", "absent"), [(1.0, Kind.DELETED), (0.0, Kind.VANISHED)])
def test_all_or_none_may_come_back(returning: float, absent: Kind) -> None:
    assert absent not in {event.kind for event in life(3, replace(LIVELY, returning=returning))}


def absences(population: Population) -> list[float]:
    found = []
    for events in lives(5, population).values():
        found += [event.at - before.at for before, event in pairwise(events) if event.kind == "returned"]
    return found


def test_an_absence_lasts_from_minutes_to_weeks_and_a_flap_seconds_to_minutes() -> None:
    single = replace(LIVELY, reviews=60, returning=1, business_absences_per_day=0)
    long, short = absences(replace(single, flapping=0)), absences(replace(single, flapping=1))
    assert 300 <= min(long) < 3600
    assert 5 * DAY < max(long) <= 21 * DAY
    assert 5 <= min(short) < 60
    assert 60 < max(short) <= 300


def test_a_whole_business_vanishes_at_once() -> None:
    population = replace(LIVELY, businesses=1, absences_per_day=0, business_absences_per_day=0.1, changes_per_day=0)
    events = list(life(5, population))
    truth, sizes = Truth(events), []
    for before, event in pairwise(events):
        if event.kind in ABSENCES and event.at - before.at > 300:
            live = {one for one, review in truth.reviews(before.at) if review["state"] != "deleted"}
            assert {e.review_id for e in events if event.at <= e.at < event.at + 60 and e.kind in ABSENCES} == live
            sizes.append(len(live))
    assert max(sizes) > 5


def test_one_review_more_leaves_the_others_as_they_are() -> None:
    few, more = lives(9, LIVELY), lives(9, replace(LIVELY, reviews=LIVELY.reviews + 1))
    assert few == {review_id: more[review_id] for review_id in few}


def test_undocumented_fields_move_nothing_else() -> None:
    plain, strange = list(life(9, LIVELY)), list(life(9, replace(LIVELY, unknown_fields=1)))
    assert all("sentiment" in event.payload for event in strange)
    assert plain == [
        replace(event, payload={name: value for name, value in event.payload.items() if name != "sentiment"})
        for event in strange
    ]


def test_most_reviews_are_googles_and_none_is_of_an_unknown_partner() -> None:
    partners = [event.payload["partner"] for event in life(1, Population(reviews=300)) if event.kind is Kind.CREATED]
    assert set(partners) == {"google_my_business", "facebook", "tripadvisor"}
    assert partners.count("google_my_business") > 200


def test_dates_carry_an_offset_and_microseconds() -> None:
    assert iso(1.5) == "2025-09-01T02:00:01.500000+02:00"
    assert moment(1.5) == START + timedelta(seconds=1.5)


# The truth


@settings(max_examples=30, deadline=None)
@given(SEEDS, POPULATIONS, st.floats(0, 1))
def test_the_truth_of_a_moment_is_the_last_event_before_it(seed: int, population: Population, share: float) -> None:
    events, at = list(life(seed, population)), population.days * DAY * share
    expected = {event.review_id: event.payload for event in events if event.at <= at}
    truth = Truth(events)
    assert dict(truth.reviews(at)) == expected
    assert all(truth.review(review_id, at) == review for review_id, review in expected.items())
    assert [e for one in sorted(expected) for e in truth.events(one, at)] == sorted(
        (event for event in events if event.at <= at), key=lambda event: event.review_id
    )


def test_a_review_is_unknown_before_it_is_written_and_its_last_state_stays() -> None:
    events = list(life(1, LIVELY))
    truth = Truth(events)
    first, last = events[0], events[-1]
    assert truth.review(first.review_id, math.nextafter(first.at, 0)) is None
    assert truth.review(last.review_id) == last.payload
    assert truth.review(1) is None


def test_what_happens_meanwhile_is_true_until_the_next_event() -> None:
    truth = Truth([TruthEvent(at, 1, Kind.EDITED, {"id": 1, "n": at}) for at in (10.0, 30.0)])
    truth.add(TruthEvent(20.0, 1, Kind.MARKED, {"id": 1, "n": 20.0}))
    assert [truth.review(1, at) for at in (10, 19, 20, 29, 30)] == [{"id": 1, "n": n} for n in (10, 10, 20, 20, 30)]
