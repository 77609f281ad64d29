"""A simulated year of each rhythm: at most one false alarm, and a stop is noticed within three usual longest gaps."""

import pytest

from tools.accuracy.rhythms import CHANGING, FEW, MOST_FALSE_ALARMS, MOST_GAPS, RHYTHMS, Outcome, failed, play, table

pytestmark = pytest.mark.process  # a year at each of many shops takes seconds


@pytest.mark.process  # the years take half a minute together
@pytest.mark.parametrize("name", [name for name in RHYTHMS if name not in CHANGING])
def test_a_year_gives_at_most_one_false_alarm_and_a_stop_is_noticed_in_time(name: str) -> None:
    outcome = play(name, seed=1)
    assert outcome.false_alarms <= MOST_FALSE_ALARMS
    assert name in FEW or outcome.in_gaps <= MOST_GAPS
    assert not failed(outcome)


def test_a_year_that_is_worse_fails() -> None:
    name = "quiet nights, 280 a day"
    assert not failed(Outcome(name, 1000, 1, [(30, 10)] * 9 + [(900, 10)]))
    assert failed(Outcome(name, 1000, 2, [(30, 10)] * 10))
    assert failed(Outcome(name, 1000, 0, [(30, 10)] * 8 + [(31, 10)] * 2))


def test_the_same_seed_gives_the_same_year_and_the_table_has_a_row_for_it() -> None:
    outcomes = [play("one shop, five a week", seed=3) for _ in range(2)]
    assert outcomes[0] == outcomes[1]
    heads, line, row = table(outcomes[:1])
    assert row.startswith("| one shop, five a week | ")
    assert heads.count("|") == line.count("|") == row.count("|")
