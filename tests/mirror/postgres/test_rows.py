"""The rows of a review: typed columns where the value fits, the payload whatever it is."""

from typing import Any

import msgspec
import pytest

from mirror.domain.changes import Change, Kind
from mirror.domain.lifecycle import Status
from mirror.domain.record import Record
from mirror.postgres.rows import encode, review_row, rows_added, rows_anew
from tests.support import make_review

AT = 1_757_664_000_000


def record(version: int = 1, **fields: Any) -> Record:
    return Record(
        id=34,
        status=Status.LIVE,
        version=version,
        review=make_review(34, **fields),
        first_seen_at=AT,
        last_changed_at=AT,
        last_received_at=AT,
    )


def change(version: int, kind: Kind = Kind.UPDATED, **fields: tuple[Any, Any]) -> Change:
    return Change(version, kind, AT + version, f"delivery-{version}", fields=fields)


@pytest.mark.parametrize(
    ("name", "value", "column", "expected"),
    [
        ("rating", 4.5, "rating", 4.5),
        ("rating", True, "rating", None),
        ("rating", "4", "rating", None),
        ("rating", 10**9, "rating", None),
        ("recommended", 1, "recommended", None),
        ("date", "2025-07-01T16:10:23.156000+02:00", "date", "2025-07-01T14:10:23.156000+00:00"),
        ("date", "yesterday", "date", None),
        ("business_id", None, "business_id", ""),
        ("tags", [{"label": "food"}, {"id": 1}, "odd"], "tags", ["food"]),
        ("comments", {"date": "2025-07-02T00:00:00Z"}, "replied_at", "2025-07-02T00:00:00+00:00"),
        ("comments", {"created": "2025-07-02T00:00:00Z"}, "replied_at", "2025-07-02T00:00:00+00:00"),
        ("comments", {"date": "2025-07-02T00:00:00Z", "is_reply_suggestion": True}, "replied_at", None),
        ("comments", [], "replied_at", None),
    ],
)
def test_a_column_has_what_fits_its_type(name: str, value: Any, column: str, expected: Any) -> None:
    row = review_row(record(**{name: value}))
    assert row[column] == expected
    assert row["payload"][name] == value


def test_nul_which_postgres_does_not_store_is_replaced_and_a_backslash_is_not() -> None:
    row = msgspec.json.decode(encode({"a\0": ["b\0", {"c": "\0"}], "text": "\\u0000 stays"}))
    assert row == {"a\ufffd": ["b\ufffd", {"c": "\ufffd"}], "text": "\\u0000 stays"}


def test_only_versions_that_are_not_written_yet_are_added() -> None:
    history = [change(1, Kind.FIRST_SEEN), change(2, rating=(3, 4)), change(3, rating=(4, 5))]
    added = rows_added(record(3, rating=5), history, known=1)
    assert added is not None
    rows = [msgspec.json.decode(row) for row in added.changes]
    assert [(row["version"], row["rating"]) for row in rows] == [(2, 4), (3, 5)]
    assert [row["valid_to"] for row in rows] == [rows[1]["valid_from"], None]
    assert (added.first, added.anew) == (2, None)


def test_the_end_of_a_history_tells_enough_while_the_review_stayed_live() -> None:
    added = rows_added(record(9, rating=5), [change(8, rating=(3, 4)), change(9, rating=(4, 5))], known=7)
    assert added is not None
    assert [msgspec.json.decode(row)["rating"] for row in added.changes] == [4, 5]


@pytest.mark.parametrize(
    ("history", "known"),
    [
        ([change(8), change(9)], 6),
        ([change(8), change(9, Kind.REAPPEARED)], 7),
        ([change(8)], 7),
        ([], 7),
    ],
    ids=["too short", "back over a reappearance", "without the last change", "empty"],
)
def test_the_end_of_a_history_that_tells_too_little_gives_no_rows(history: list[Change], known: int) -> None:
    assert rows_added(record(9), history, known) is None


def test_a_history_that_is_written_anew_makes_room_for_itself() -> None:
    assert rows_anew(record(), [change(1, Kind.FIRST_SEEN)]).anew == 0
    assert rows_anew(record(7), [change(7, Kind.TRIMMED)]).anew == 8
