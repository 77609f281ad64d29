"""The tables that analysts get: their columns with types, and how a row is made. Performs no I/O."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from mirror.clock import iso
from mirror.domain.changes import Change
from mirror.domain.ratings import Rating, Ratings
from mirror.domain.record import Record
from mirror.views import changes_view, record_view

# Column -> type, in SQL's words, as DuckDB and Postgres know them.
Columns = Mapping[str, str]

_FROM_REVIEW = {
    "business_id": "VARCHAR",
    "partner": "VARCHAR",
    "rating": "DOUBLE",
    "recommended": "BOOLEAN",
    "author_name": "VARCHAR",
    "title": "VARCHAR",
    "content": "VARCHAR",
    "state": "VARCHAR",
    "date": "VARCHAR",
    "update_date": "VARCHAR",
}
REVIEWS: Columns = {
    "id": "BIGINT",
    "status": "VARCHAR",
    "certainty": "VARCHAR",
    "version": "BIGINT",
    **_FROM_REVIEW,
    "missing_since": "TIMESTAMPTZ",
    "reappearances": "BIGINT",
    "first_seen_at": "TIMESTAMPTZ",
    "last_changed_at": "TIMESTAMPTZ",
    "last_received_at": "TIMESTAMPTZ",
    "payload": "JSON",
}
CHANGES: Columns = {
    "review_id": "BIGINT",
    "version": "BIGINT",
    "kind": "VARCHAR",
    "received_at": "TIMESTAMPTZ",
    "delivery_id": "VARCHAR",
    "source": "VARCHAR",
    "certainty": "VARCHAR",
    "missing_for_s": "DOUBLE",
    "fields": "JSON",
}
RATINGS: Columns = {
    "at": "TIMESTAMPTZ",
    "business_id": "VARCHAR",
    "partner": "VARCHAR",
    **{f"{side}_{name}": "BIGINT" for side in ("shown", "adjusted") for name in ("count", "count_unrated")},
    "shown_average": "DOUBLE",
    "adjusted_average": "DOUBLE",
    **{f"{side}_stars_{star}": "BIGINT" for side in ("shown", "adjusted") for star in range(1, 6)},
    **{f"{side}_{name}": "BIGINT" for side in ("shown", "adjusted") for name in ("recommended", "not_recommended")},
}
COLUMNS: Mapping[str, Columns] = {"reviews": REVIEWS, "changes": CHANGES, "ratings": RATINGS}


def review_row(record: Record) -> dict[str, Any]:
    view, review = record_view(record), record.review
    values = view | {name: _scalar(review.get(name)) for name in _FROM_REVIEW} | {"payload": review}
    return {name: values[name] for name in REVIEWS}


def _scalar(value: Any) -> Any:
    """Keep what fits a typed column; Partoo may send anything, and `payload` has it."""
    return value if isinstance(value, str | int | float | bool) else None


def change_rows(record: Record, changes: Sequence[Change], first: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    for view in changes_view(changes, first):
        values = view | {"review_id": record.id, "missing_for_s": view["missing_for"]}
        yield {name: values[name] for name in CHANGES}


def rating_row(at: int, business_id: str, partner: str, found: Ratings) -> dict[str, Any]:
    row: dict[str, Any] = {"at": iso(at), "business_id": business_id, "partner": partner}
    for side, rating in (("shown", found.shown), ("adjusted", found.adjusted)):
        row |= _rating(side, rating)
    return {name: row[name] for name in RATINGS}


def _rating(side: str, rating: Rating) -> dict[str, Any]:
    values = msgspec.structs.asdict(rating)
    stars = values.pop("stars")
    return {f"{side}_{name}": value for name, value in values.items()} | {
        f"{side}_stars_{star}": count for star, count in stars.items()
    }
