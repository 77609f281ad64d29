"""What is drawn and compared on the server: word differences, a review's life, charts."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.domain.changes import Change, Kind
from mirror.domain.lifecycle import Status
from service.console import chart, lifeline
from service.console.diff import ADDED, REMOVED, SAME, word_diff
from service.console.rendering import distance, shown

TEXTS = st.text(alphabet="ab é\n🙂<", max_size=60)


@given(TEXTS, TEXTS)
def test_a_difference_leads_from_one_text_to_the_other(before: str, after: str) -> None:
    pieces = word_diff(before, after)
    assert "".join(text for kind, text in pieces if kind != ADDED) == before
    assert "".join(text for kind, text in pieces if kind != REMOVED) == after


def test_only_the_words_that_differ_are_marked() -> None:
    assert word_diff("the coffee was good.", "the coffee was cold.") == [
        (SAME, "the coffee was "),
        (REMOVED, "good"),
        (ADDED, "cold"),
        (SAME, "."),
    ]


def test_long_texts_with_nothing_in_common_take_no_time() -> None:
    begin = time.perf_counter()
    word_diff("a b " * 20_000, "c d " * 20_000)
    assert time.perf_counter() - begin < 1


def history(*steps: tuple[int, Kind]) -> list[Change]:
    return [
        Change(version=number, kind=kind, received_at=at, delivery_id="0" * 24)
        for number, (at, kind) in enumerate(steps, 1)
    ]


def test_a_life_is_drawn_with_its_missing_periods() -> None:
    told = history((0, Kind.FIRST_SEEN), (100, Kind.VANISHED), (150, Kind.GONE), (200, Kind.REAPPEARED))
    drawn = lifeline.draw(told, Status.LIVE, 400)
    assert [(period.status, period.start, period.end) for period in drawn.periods] == [
        (Status.LIVE, 0, 100),
        (Status.MISSING, 100, 150),
        (Status.GONE, 150, 200),
        (Status.LIVE, 200, 400),
    ]
    assert [period.x for period in drawn.periods] == sorted(period.x for period in drawn.periods)
    assert drawn.summary.startswith("Not live for 0.1 s in all: missing")


@pytest.mark.parametrize(
    ("last", "drawn"), [(Status.LIVE, [Status.LIVE]), (Status.MISSING, [Status.MISSING]), (Status.GONE, [Status.GONE])]
)
def test_a_life_without_a_move_is_of_one_status(last: Status, drawn: list[Status]) -> None:
    found = lifeline.draw(history((5, Kind.FIRST_SEEN), (6, Kind.UPDATED)), last, 10)
    assert [period.status for period in found.periods] == drawn


def test_a_piece_of_a_life_begins_with_what_the_next_move_tells() -> None:
    found = lifeline.draw(history((5, Kind.UPDATED), (9, Kind.REAPPEARED)), Status.LIVE, 10)
    assert [period.status for period in found.periods] == [Status.MISSING, Status.LIVE]


def test_a_chart_breaks_its_line_where_there_is_no_value() -> None:
    axes = chart.Axes(0, 4, str, str)
    links = [("/", "")] * 4
    drawn = chart.draw([0, 1, 2, 3], [("shown", [1, None, 3, 4])], [(1, 2, "incident"), (7, 8, "later")], links, axes)
    assert [name for name, _ in drawn.lines] == ["shown", "shown"]
    assert len(drawn.dots) == 3
    assert [band.words for band in drawn.bands] == ["incident"]
    assert (drawn.dots[-1].x, drawn.dots[-1].y) == (chart.RIGHT, chart.TOP)


def test_times_are_told_by_their_distance() -> None:
    assert [distance(at, 100_000) for at in (99_500, 90_000, 160_000)] == ["now", "10 s ago", "in 1 min"]


def test_characters_that_html_does_not_allow_are_shown_by_their_numbers() -> None:
    assert shown("a\0b\u202ec\ud800\n\td") == "a⟨U+0000⟩b⟨U+202E⟩c⟨U+D800⟩\n\td"
    assert shown({"a": [1, None]}) == '{"a":[1,null]}'
