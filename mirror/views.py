"""The mirror's JSON for readers: what the read API answers and the command line prints with `--json`. No I/O."""

from collections.abc import Sequence
from typing import Any

from mirror.clock import iso
from mirror.domain.changes import Change, Kind, tag_difference
from mirror.domain.history import first_payload
from mirror.domain.record import Record


def record_view(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "status": record.status,
        "version": record.version,
        "ambiguous": record.ambiguous,
        "review": record.review,
        "last_live": record.live_snapshot,
        "missing_since": None if record.missing_since is None else iso(record.missing_since),
        "reappearances": record.reappearances,
        "first_seen_at": iso(record.first_seen_at),
        "last_changed_at": iso(record.last_changed_at),
        "last_received_at": iso(record.last_received_at),
    }


def changes_view(record: Record, changes: Sequence[Change], shown: Sequence[Change]) -> list[dict[str, Any]]:
    """Show some of a review's changes, given its record and its whole history, the oldest change first."""
    return [_change_view(change, _first_fields(record, changes, change)) for change in shown]


def _first_fields(record: Record, changes: Sequence[Change], change: Change) -> dict[str, tuple[Any, Any]] | None:
    """Return what a first sight is stored without: every field of the first payload, as come from nothing."""
    if change.kind is not Kind.FIRST_SEEN:
        return None
    return {name: (None, value) for name, value in first_payload(record, changes).items()}


def _change_view(change: Change, first_fields: dict[str, tuple[Any, Any]] | None) -> dict[str, Any]:
    fields = change.fields if first_fields is None else first_fields
    return {
        "version": change.version,
        "kind": change.kind,
        "fields": fields,
        "added": list(change.added if first_fields is None else first_fields),
        "removed": list(change.removed),
        "tags": tag_difference(fields),
        "received_at": iso(change.received_at),
        "delivery_id": change.delivery_id,
        "source": change.source,
        "ambiguous": change.ambiguous,
        "missing_for": None if change.missing_for is None else change.missing_for / 1000,
    }
