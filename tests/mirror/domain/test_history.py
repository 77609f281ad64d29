"""A history read backwards, change by change, tells of every moment what was then."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.domain.history import Lookback, as_of
from mirror.domain.record import Record
from mirror.views import record_view
from tests.mirror.domain.stories import DAY, MINUTE, START, tell
from tests.support import make_deletion, make_review

LIVE = make_review()
EDITED = LIVE | {"rating": 1, "update_date": "2025-09-05T00:00:00Z", "later": True}
GONE = make_deletion(EDITED)
STATES = st.sampled_from([LIVE, EDITED, GONE, make_deletion(EDITED, "2025-10-01T00:00:00Z"), make_deletion(LIVE)])


def public(record: Record | None) -> dict[str, Any] | None:
    """What readers see of a record; what a delivery that changed nothing leaves in it is not part of a history."""
    return None if record is None else record_view(record) | {"last_received_at": None, "certainty": None}


@settings(deadline=None, max_examples=200)
@given(st.lists(STATES, min_size=1, max_size=12))
def test_at_every_moment_a_review_is_what_it_was_then(states: list[dict[str, Any]]) -> None:
    decisions = tell(*((state, number * DAY / MINUTE) for number, state in enumerate(states)))
    record = decisions[-1].record
    changes = [decision.change for decision in decisions if decision.change is not None]
    for number, decision in enumerate(decisions):
        found = as_of(record, changes, START + number * DAY)
        assert found is not None
        # Not compared: the certainty that a refused delivery took from it.
        assert public(found) == public(decision.record) | {"ambiguous": found.ambiguous}  # type: ignore[operator]
    assert as_of(record, changes, START - 1) is None


def test_no_more_is_read_than_leads_to_the_moment() -> None:
    states = [LIVE | {"rating": 1 + number % 5} for number in range(50)]
    decisions = tell(*((state, number) for number, state in enumerate(states)))
    changes = [decision.change for decision in decisions if decision.change is not None]
    lookback = Lookback(decisions[-1].record, START + 40 * MINUTE)
    taken = 0
    for taken, change in enumerate(reversed(changes), 1):  # noqa: B007 - read below
        if lookback.take(change):
            break
    found = lookback.found()
    assert found is not None
    assert (found.version, found.review["rating"]) == (41, 1)
    assert taken == 10
