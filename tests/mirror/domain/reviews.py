"""One review in the shapes that the decision table tells apart."""

from typing import Any

import pytest

from mirror.domain.record import Record
from tests.mirror.domain.stories import after_grace, last
from tests.support import make_deletion, make_review

LIVE = make_review()  # its clock is 2025-09-04T10:00:00+02:00
OLDER = LIVE | {"rating": 1, "update_date": "2025-09-04T09:59:59.999999+02:00"}
EQUAL = LIVE | {"rating": 4}
NEWER = LIVE | {"rating": 5, "update_date": "2025-09-04T10:00:00.000001+02:00"}
D10, D12, D14 = "2025-09-10T20:15:00+02:00", "2025-09-12T20:15:00+02:00", "2025-09-14T20:15:00+02:00"
DELETED = make_deletion(LIVE, D10)
UNDATED = make_deletion(LIVE, None)
NO_CLOCK: list[Any] = [..., None, "", "yesterday", "2025-13-01T00:00:00Z", 1_757_000_000, True, {}, []]


def clockless(review: dict[str, Any], value: Any = ...) -> dict[str, Any]:
    """Return a review with neither of its dates readable; ... leaves them out."""
    rest = {name: field for name, field in review.items() if name not in {"date", "update_date"}}
    return rest if value is ... else rest | {"date": value, "update_date": value}


def missing_record() -> Record:
    """Return the record of a review that vanished two hours after it was seen."""
    return last((LIVE, 0), (DELETED, 120)).record


def absent_records() -> list[Any]:
    return [
        pytest.param(missing_record(), id="missing"),
        pytest.param(after_grace(missing_record()), id="gone"),
    ]
