from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.simulator.comparing.comparison import Certainty, Verdict, compare
from tools.simulator.comparing.history import HistoryFinding, compare_history
from tools.simulator.comparing.outcome import Outcome, facts, table
from tools.simulator.population import Population, Truth, life

LIVE = {"id": 1, "state": "treated", "rating": 4, "tags": [{"id": 1}], "title": None}
DELETED = LIVE | {"state": "deleted"}


def one(true: Mapping[str, Any] | None, entry: Mapping[str, Any] | None) -> tuple[Verdict, str]:
    (finding,) = compare({} if true is None else {1: true}, {} if entry is None else {1: entry})
    return finding.verdict, finding.detail


def shown(review: Mapping[str, Any], status: str = "live") -> dict[str, Any]:
    return {"id": 1, "status": status, "review": review}


@pytest.mark.parametrize(("true", "status"), [(LIVE, "live"), (DELETED, "missing"), (DELETED, "gone")])
def test_the_same_status_and_the_same_fields_are_equal(true: dict[str, Any], status: str) -> None:
    assert one(true, shown(dict(reversed(true.items())), status)) == (Verdict.EQUAL, "")


def test_live_instead_of_deleted_or_the_other_way_round_is_a_wrong_status() -> None:
    assert one(LIVE, shown(DELETED, "missing")) == (
        Verdict.WRONG_STATUS,
        "the mirror says missing, in truth it is live",
    )
    assert one(DELETED, shown(LIVE))[0] is Verdict.WRONG_STATUS


@pytest.mark.parametrize(
    ("mirrored", "detail"),
    [
        (LIVE | {"rating": 3}, "rating: 3, in truth 4"),
        (LIVE | {"rating": True}, "rating: true, in truth 4"),
        (LIVE | {"tags": [{"id": True}]}, 'tags: [{"id":true}], in truth [{"id":1}]'),
        (LIVE | {"new": 1}, "new: 1, in truth (absent)"),
        ({k: v for k, v in LIVE.items() if k != "tags"}, 'tags: (absent), in truth [{"id":1}]'),
        ({}, 'id: (absent), in truth 1; state: (absent), in truth "treated"; rating: (absent), in truth 4; and 1 more'),
        (None, "the mirror shows no review object"),
        (LIVE | {"rating": "x" * 99}, f'rating: "{"x" * 59}…, in truth 4'),
    ],
)
def test_any_field_that_differs_is_a_wrong_payload_and_named(mirrored: Any, detail: str) -> None:
    assert one(LIVE, shown(mirrored)) == (Verdict.WRONG_PAYLOAD, detail)


WRITTEN = LIVE | {"update_date": "2025-09-02T10:00:00.654321+02:00", "tags": [{"id": 1, "label": "a"}, {"id": 2}]}
REWRITTEN = {
    "id": 1,
    "state": "treated",
    "rating": 4.0,
    "update_date": "2025-09-02T08:00:00Z",
    "tags": [{"id": 2, "category": None}, {"id": 1}],
    "comments": [],
}


def test_another_notation_of_the_same_is_equal() -> None:
    assert one(WRITTEN, shown(REWRITTEN)) == (Verdict.EQUAL, "")
    assert one(WRITTEN, shown(REWRITTEN | {"tags": [{"id": 2}]}))[0] is Verdict.WRONG_PAYLOAD
    assert one(WRITTEN, shown(REWRITTEN | {"update_date": "2025-09-02T08:00:01Z"}))[0] is Verdict.WRONG_PAYLOAD
    assert one(WRITTEN, shown(REWRITTEN | {"update_date": "yesterday"}))[0] is Verdict.WRONG_PAYLOAD


def test_a_field_that_only_the_api_writes_is_left_out_where_the_truth_names_it() -> None:
    (finding,) = compare({1: LIVE}, {1: shown(LIVE | {"origin": "api"})}, frozenset({"origin"}))
    assert finding.verdict is Verdict.EQUAL


@pytest.mark.parametrize("told", ["proven", "unproven", "ambiguous"])
def test_a_finding_carries_what_the_mirror_says_of_its_certainty(told: str) -> None:
    (finding,) = compare({1: LIVE}, {1: shown(DELETED, "missing") | {"certainty": told}})
    assert finding.certainty == told


@pytest.mark.parametrize("told", [None, "sure", 1, []])
def test_a_mirror_that_says_nothing_readable_of_certainty_leaves_it_untold(told: Any) -> None:
    (finding,) = compare({1: LIVE}, {1: shown(LIVE) | {"certainty": told}})
    assert finding.certainty is Certainty.UNTOLD


def test_a_review_that_only_one_side_knows_is_found() -> None:
    assert one(LIVE, None)[0] is Verdict.NOT_MIRRORED
    assert one(None, shown(LIVE))[0] is Verdict.UNKNOWN


# Histories


def happened(*events: tuple[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"kind": kind, "review": review} for kind, review in events]


def entry(kind: str, **fields: Any) -> dict[str, Any]:
    return {"kind": kind, "fields": {name: [None, value] for name, value in fields.items()}}


STORY = happened(
    ("created", LIVE),
    ("rated", LIVE | {"rating": 3}),
    ("vanished", DELETED | {"rating": 3}),
    ("returned", LIVE | {"rating": 3}),
)
FAITHFUL = [
    entry("first_seen", **LIVE),
    entry("updated", rating=3),
    entry("vanished", state="deleted"),
    entry("reappeared"),
]


def test_a_history_that_has_what_happened_one_for_one_is_equal() -> None:
    assert compare_history(1, STORY, FAITHFUL) == HistoryFinding(1, 4, (), ())


def test_what_a_history_lacks_and_what_it_has_beside_is_told() -> None:
    assert compare_history(1, STORY, FAITHFUL[:1] + FAITHFUL[2:]).missing == ('updated {"rating":3}',)
    assert compare_history(1, STORY, [*FAITHFUL, entry("updated", rating=5)]).surplus == ('updated {"rating":5}',)
    swapped = compare_history(1, STORY, [FAITHFUL[0], FAITHFUL[2], FAITHFUL[1], FAITHFUL[3]])
    assert len(swapped.missing) == len(swapped.surplus) == 1
    assert compare_history(1, STORY, []).missing[0].startswith('first_seen {"id":1,')


def test_an_entry_that_tells_of_another_notation_only_is_untrue() -> None:
    story = happened(("created", WRITTEN))
    tells = {name: [value, REWRITTEN.get(name)] for name, value in WRITTEN.items()}
    entries = [entry("first_seen", **REWRITTEN), {"kind": "updated", "fields": tells}]
    assert compare_history(1, story, entries[:1]) == HistoryFinding(1, 1, (), ())
    assert compare_history(1, story, entries).surplus == ("updated {}",)


def test_what_the_mirror_says_of_itself_is_not_untrue() -> None:
    entries = [*FAITHFUL, entry("confirmed"), entry("gone")]
    assert compare_history(1, STORY, entries) == HistoryFinding(1, 4, (), ())
    assert compare_history(1, STORY, [*FAITHFUL, entry("confirmed", rating=1)]).surplus != ()


def test_an_entry_of_an_odd_shape_is_surplus() -> None:
    assert compare_history(1, [], [{"kind": "updated", "fields": None}]).surplus == ("updated null",)


def test_a_field_that_is_gone_is_told_as_null() -> None:
    before, after = LIVE | {"extra": 1}, LIVE
    found = compare_history(
        1,
        happened(("created", before), ("edited", after)),
        [entry("first_seen", **before), {"kind": "updated", "fields": {"extra": [1, None]}}],
    )
    assert (found.missing, found.surplus) == ((), ())


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 500), st.data())
def test_a_faithful_mirror_is_equal_and_one_that_errs_anywhere_is_not(seed: int, data: st.DataObject) -> None:
    truth = Truth(life(seed, Population(reviews=5, businesses=1, days=30, absences_per_day=0.2)))
    reviews = dict(truth.reviews())
    mirror = {
        one: shown(review, "missing" if review["state"] == "deleted" else "live") for one, review in reviews.items()
    }
    assert Outcome(list(compare(reviews, mirror))).is_equal
    wrong = data.draw(st.sampled_from(sorted(mirror)))
    field = data.draw(st.sampled_from(sorted(reviews[wrong])))
    mirror[wrong] = mirror[wrong] | {"review": {**reviews[wrong], field: "another"}}
    outcome = Outcome(list(compare(reviews, mirror)))
    assert [finding.review_id for finding in outcome.differing] == [wrong]
    assert outcome.differing[0].detail.startswith(f"{field}: ")


# Told


def test_an_outcome_is_told_as_a_table_and_as_an_object() -> None:
    findings = list(
        compare({1: LIVE, 2: LIVE, 3: DELETED}, {1: shown(LIVE), 2: shown(DELETED, "missing"), 4: shown(LIVE)})
    )
    outcome = Outcome(findings, [compare_history(1, STORY, FAITHFUL[:3])])
    assert not outcome.is_equal
    told = facts(outcome)
    assert (told["reviews"], told["equal"]) == (3, False)
    assert told["verdicts"] == {"equal": 1, "wrong_status": 1, "wrong_payload": 0, "not_mirrored": 1, "unknown": 1}
    assert told["history"] == {
        "events": 4,
        "missing": 1,
        "surplus": 0,
        "differing": [{"id": 1, "missing": ("reappeared {}",), "surplus": ()}],
    }
    lines = table(outcome).splitlines()
    assert lines[0].split()[:2] == ["reviews", "3"]
    assert "review 2: wrong status: the mirror says missing, in truth it is live" in lines
    assert lines[-1] == "review 1: history lacks reappeared {}"


def test_wrong_reviews_are_told_by_what_the_mirror_says_of_them() -> None:
    mirror = {
        1: shown(LIVE) | {"certainty": "proven"},
        2: shown(DELETED, "missing") | {"certainty": "proven"},
        3: shown(DELETED, "missing") | {"certainty": "ambiguous"},
    }
    outcome = Outcome(list(compare(dict.fromkeys((1, 2, 3, 4), LIVE), mirror)))
    assert facts(outcome)["certainty"] == {
        "proven": {"reviews": 2, "wrong": 1},
        "unproven": {"reviews": 0, "wrong": 0},
        "ambiguous": {"reviews": 1, "wrong": 1},
        "untold": {"reviews": 1, "wrong": 1},
    }
    told = table(outcome)
    assert "proven        2  as the mirror says; 1 of them are wrong" in told
    assert "in truth it is live (proven)" in told


def test_a_table_shows_the_first_ten_that_differ_and_says_how_many_more() -> None:
    lines = table(Outcome(list(compare(dict.fromkeys(range(15), LIVE), {})))).splitlines()
    assert lines[-2].startswith("review 9: not mirrored")
    assert lines[-1] == "… and 5 more; --json tells all"
