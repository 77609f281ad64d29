"""Changes in words: each kind and certainty has a rule that says why."""

import itertools

import pytest

from mirror.change_words import doubt, rule, source_words, what
from mirror.domain.changes import Change, Kind, Source


def make_change(kind: Kind, source: Source = Source.WEBHOOK, **facts: object) -> Change:
    return Change(version=2, kind=kind, received_at=1, delivery_id="0" * 24, source=source, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "source"), [*itertools.product(Kind, Source)])
def test_every_change_says_what_it_is_where_it_came_from_and_by_which_rule(kind: Kind, source: Source) -> None:
    for facts in ({}, {"unproven": True}, {"ambiguous": True, "unproven": True}):
        change = make_change(kind, source, **facts)
        assert what(change)
        assert source_words(change)
        assert rule(change).endswith(".")
        assert bool(doubt(change)) is bool(facts)


def test_a_doubt_is_explained_by_its_kind() -> None:
    assert "REDELIVERY_WINDOW" in rule(make_change(Kind.REAPPEARED, ambiguous=True))
    assert "delete_date" in rule(make_change(Kind.VANISHED, ambiguous=True))
    assert "Partoo showed it nowhere" in rule(make_change(Kind.VANISHED, Source.RECONCILIATION, ambiguous=True))
    assert "Neither a clock" in rule(make_change(Kind.UPDATED, unproven=True))
    assert what(make_change(Kind.REAPPEARED, missing_for=3_600_000)) == "reappeared, missing for 1 h, as it was before"
