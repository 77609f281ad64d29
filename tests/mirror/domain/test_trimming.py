"""A trimmed history tells from its beginning on what the whole one told."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.domain.changes import Kind
from mirror.domain.history import HistoryTrimmedError, as_of, first_payload, replay
from mirror.domain.record import Record
from mirror.domain.trimming import cut
from mirror.views import record_view
from tests.mirror.domain.stories import DAY, MINUTE, START, tell
from tests.support import make_deletion, make_review

LIVE = make_review()
EDITED = LIVE | {"rating": 1, "update_date": "2025-09-05T00:00:00Z"}
GONE = make_deletion(EDITED)
FAR = START + 1000 * DAY
STATES = st.sampled_from([LIVE, EDITED, GONE, make_deletion(EDITED, "2025-10-01T00:00:00Z"), EDITED | {"rating": None}])


def public(record: Record | None) -> dict[str, Any] | None:
    """What readers see of a record; what a delivery that changed nothing leaves in it is not part of a history."""
    return None if record is None else record_view(record) | {"last_received_at": None, "certainty": None}


@settings(deadline=None, max_examples=200)
@given(st.lists(STATES, min_size=1, max_size=12), st.integers(0, 13))
def test_from_the_cut_on_every_moment_reads_as_before(states: list[dict[str, Any]], day: int) -> None:
    decisions = tell(*((state, number * DAY / MINUTE) for number, state in enumerate(states)))
    record = decisions[-1].record
    changes = [decision.change for decision in decisions if decision.change is not None]
    found = cut(record, changes, START + day * DAY)
    if found is None:
        return
    left = [found.marker, *changes[found.at + 1 :]]

    assert [change.version for change in left] == [change.version for change in changes[found.at :]]
    assert public(replay(first_payload(record, left), left)) == public(record)
    for number in range(len(states)):
        moment = START + number * DAY
        whole = as_of(record, changes, moment)
        if moment >= found.marker.received_at:
            assert public(as_of(record, left, moment)) == public(whole)
        else:
            with pytest.raises(HistoryTrimmedError) as refused:
                as_of(record, left, moment)
            assert refused.value.since == found.marker.received_at < START + day * DAY
    assert as_of(record, left, START - 1) is None


def test_an_absence_is_kept_whole() -> None:
    decisions = tell((LIVE, 0), (EDITED, 1), (GONE, 2), (make_deletion(EDITED, "2025-10-01T00:00:00Z"), 3), (EDITED, 4))
    record, changes = decisions[-1].record, [decision.change for decision in decisions if decision.change is not None]
    inside = cut(record, changes, START + 3 * MINUTE + 1)
    assert inside is not None
    assert inside.at == 1
    after = cut(record, changes, FAR)
    assert after is not None
    assert after.at == 4


def test_what_would_not_make_a_history_shorter_is_not_done() -> None:
    decisions = tell((LIVE, 0), (EDITED, 1))
    record, changes = decisions[-1].record, [decision.change for decision in decisions if decision.change is not None]
    assert cut(record, changes, START) is None
    assert cut(record, changes, START + 1) is None
    once = cut(record, changes, FAR)
    assert once is not None
    assert cut(record, [once.marker], FAR) is None
    assert (once.marker.kind, once.marker.fields, once.marker.version) == (Kind.TRIMMED, {}, 2)


def test_a_second_cut_keeps_when_the_review_was_first_seen_and_how_often_it_came_back() -> None:
    decisions = tell((EDITED, 0), (GONE, 1), (EDITED, 2), (EDITED | {"rating": 4}, 3), (EDITED | {"rating": 5}, 4))
    record, changes = decisions[-1].record, [decision.change for decision in decisions if decision.change is not None]
    for minute in (2, 3, 4):
        found = cut(record, changes, START + minute * MINUTE + 1)
        assert found is not None
        changes = [found.marker, *changes[found.at + 1 :]]
    (marker,) = changes
    assert marker.trimmed is not None
    assert (marker.trimmed.first_seen_at, marker.trimmed.reappearances) == (START, 1)
