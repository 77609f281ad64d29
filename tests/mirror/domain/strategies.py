"""What a signed sender could send: reviews from small pools, so that they collide, and reviews made of anything."""

from typing import Any

from hypothesis import strategies as st

from tests.support import make_review

Step = tuple[dict[str, Any], int]

WORDS = st.text(max_size=8)
HUGE = st.sampled_from([2**63, -(2**63) - 1, 2**64, 10**30, -(10**400)])
WEIRD_DATES = st.sampled_from(
    [
        "0001-01-01T00:00:00+23:59",
        "0001-01-01T00:00:00-23:59",
        "9999-12-31T23:59:59.999999-23:59",
        "9999-12-31T23:59:59.999999+23:59",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "2025-02-30T00:00:00Z",
        "2025-09-04T24:00:00Z",
        "2025-09-04T23:59:60Z",
        "2025-09-04T10:00:00+24:00",
        "2025-09-04T10:00:00.1234567890123+02:00:30.5",
        "2025-W36-4",
        "20250904T100000Z",
        "٢٠٢٥-09-04T10:00:00Z",
        "2025-09-04\u00e910:00:00",
        "2025-09-04T10:00:00\x00",
        "-2025-09-04T10:00:00Z",
    ]
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | HUGE | st.floats(allow_nan=False, allow_infinity=False) | WORDS
) | WEIRD_DATES
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=6
)
KNOWN_FIELDS = (*make_review(), "delete_date", "media_links")

_any_fields = st.dictionaries(st.sampled_from(KNOWN_FIELDS) | WORDS, JSON, max_size=6)
_dated_fields = st.fixed_dictionaries(
    {},
    optional={
        "state": st.just("deleted") | JSON,
        **dict.fromkeys(("date", "update_date", "delete_date"), WEIRD_DATES | JSON),
    },
)
ARBITRARY_REVIEWS = st.builds(lambda one, two: {**one, **two, "id": 34}, _any_fields, _dated_fields)

# Moments of the pool, in minutes after the first of them; None cannot be ordered.
MOMENTS: dict[Any, int | None] = {
    "2025-09-04T10:00:00.000000+02:00": 0,
    "2025-09-04T08:00:00Z": 0,
    "2025-09-04T11:00:00+02:00": 60,
    "2025-09-04T08:30:00": 30,
    "2025-09-05T08:00:00Z": 1440,
    "one day": None,
    None: None,
}
FEW_DATES = st.sampled_from([*MOMENTS, ...])


def _pooled_review(**fields: Any) -> dict[str, Any]:
    return {"id": 34} | {name: value for name, value in fields.items() if value is not ...}


POOLED_REVIEWS = st.builds(
    _pooled_review,
    state=st.sampled_from(["treated", "deleted", "deleted", "not_treated"]),
    rating=st.sampled_from([1, 1, 1.0, True]),
    content=st.sampled_from([..., ..., None]),
    update_date=FEW_DATES,
    date=st.sampled_from([..., "2025-09-04T08:00:00Z"]),
    delete_date=FEW_DATES,
)
# Three faces of one review and its deletions: what really comes, over and over.
FACES = st.sampled_from(
    [
        make_review(rating=rating) | extra
        for rating in (1, 2, 3)
        for extra in ({}, {"state": "deleted", "delete_date": "2025-09-10T00:00:00Z"}, {"state": "deleted"})
    ]
)

# Milliseconds from one receipt to the next, at the edges of the windows, and backwards.
GAPS = st.sampled_from([0, 1, 20_000, 89_999, 90_000, 90_001, 600_000, 3_599_999, 3_600_000, 86_400_000, -1, -60_000])

COLLIDING: st.SearchStrategy[list[Step]] = st.lists(st.tuples(FACES | POOLED_REVIEWS, GAPS), min_size=1, max_size=12)
ANYTHING: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(ARBITRARY_REVIEWS | FACES | POOLED_REVIEWS, GAPS), min_size=1, max_size=8
)
STEPS = COLLIDING | ANYTHING
