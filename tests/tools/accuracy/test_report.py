"""The report says when the mirror does worse than it must."""

from collections import Counter
from dataclasses import replace

import pytest

from mirror.domain.changes import Certainty
from tools.accuracy.report import Row, failures, table, true_time_table
from tools.accuracy.stack import Outcome
from tools.accuracy.true_time import Count

PERFECT = Outcome(
    reviews=300,
    wrong=0,
    wrong_proven=0,
    unproven=9,
    ambiguous=3,
    differing=[],
    history_missing=0,
    history_surplus=0,
    differing_histories=[],
    deliveries=1600,
    returns=120,
    api_requests=10,
    disruptions=0,
    lost=0,
)
STRATEGIES = {"body hash": 30, "newer clock": 200, "clock not older": 3, "last arrival": 3}
ROW = Row("faulty", PERFECT, PERFECT, STRATEGIES)
API_ROW = Row("api-lag", PERFECT)
PROVEN_AND_WRONG = replace(PERFECT, wrong=1, wrong_proven=1, differing=[{"id": 7, "certainty": "proven"}])


def test_rows_that_are_as_they_must_be_have_no_failure() -> None:
    assert list(failures([ROW, API_ROW])) == []


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (replace(ROW, with_key=replace(PERFECT, wrong=1)), "wrong with an API key"),
        (
            replace(ROW, without_key=replace(PERFECT, wrong=4), strategies={**STRATEGIES, "last arrival": 4}),
            "more than 1.0%",
        ),
        (replace(ROW, without_key=PROVEN_AND_WRONG), "faulty: 1 wrong reviews are called proven: [{'id': 7"),
        (replace(ROW, wire="hostile", without_key=replace(PERFECT, wrong=4)), "than with last arrival"),
        (replace(ROW, wire="clean", without_key=replace(PERFECT, history_missing=1)), "lack 1 events"),
        (replace(ROW, wire="clean", with_key=replace(PERFECT, history_surplus=2)), "2 false entries"),
        (replace(ROW, with_key=replace(PERFECT, lost=1)), "were lost because of an answer"),
        (replace(API_ROW, with_key=replace(PERFECT, history_surplus=1)), "api-lag: 1 false entries"),
    ],
)
def test_each_way_of_being_wrong_is_a_failure(row: Row, words: str) -> None:
    (told,) = failures([row])
    assert words in told


@pytest.mark.parametrize(
    ("wrong", "misled", "words"), [(1, 0, "1 wrong reviews are called proven"), (0, 2, "2 times a wrong review was")]
)
def test_a_wrong_review_that_is_called_proven_is_a_failure_though_few_may_be_wrong(
    wrong: int, misled: int, words: str
) -> None:
    count = Count("bad-day", "edits", Counter({Certainty.PROVEN: 5}), Counter({Certainty.PROVEN: wrong}), misled)
    (told,) = failures([], [count])
    assert told.startswith(f"bad-day, in true time: {words}")


def test_histories_are_not_held_against_the_mirror_where_the_wire_repeats_and_delays() -> None:
    assert list(failures([replace(ROW, with_key=replace(PERFECT, history_surplus=5, history_missing=5))])) == []


def test_the_table_shows_counts_and_shares() -> None:
    line = table([replace(ROW, without_key=replace(PERFECT, wrong=3))]).splitlines()[-1]
    assert line.startswith(
        "| faulty | 1600 | 120 | 0 | 3 (1.0%) | 12 (4.0%) | 0 (0.0%) | 12 (4.0%) | 0 | - | 10 | 30 ("
    )


def test_what_was_not_played_is_a_dash() -> None:
    line = table([API_ROW]).splitlines()[-1]
    assert line == "| api-lag | 1600 | 120 | 0 | - | - | 0 (0.0%) | 12 (4.0%) | 0 | 0 | 10 | - | - | - | - |"


def test_the_table_of_true_time_shows_what_is_not_proven() -> None:
    reviews = Counter({Certainty.PROVEN: 6, Certainty.UNPROVEN: 3, Certainty.AMBIGUOUS: 1})
    line = true_time_table([Count("bad-day", "edits", reviews, Counter({Certainty.UNPROVEN: 1}), 0)]).splitlines()[-1]
    assert line == "| bad-day | edits | 1 (10.0%) | 0 | 0 | 3 (30.0%) | 1 (10.0%) |"
