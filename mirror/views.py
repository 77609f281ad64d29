"""The mirror's JSON for readers: what the read API answers and the command line prints with `--json`. No I/O."""

from collections.abc import Mapping, Sequence
from typing import Any

from mirror.clock import iso
from mirror.domain.changes import BEGINNINGS, Change, tag_difference
from mirror.domain.record import Record
from mirror.domain.silence import Standing


def record_view(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "status": record.status,
        "version": record.version,
        "certainty": record.certainty,
        "ambiguous": record.ambiguous,
        "review": {**record.extra, **record.review} if record.extra else record.review,
        "last_live": record.live_snapshot,
        "missing_since": None if record.missing_since is None else iso(record.missing_since),
        "reappearances": record.reappearances,
        "first_seen_at": iso(record.first_seen_at),
        "last_changed_at": iso(record.last_changed_at),
        "last_received_at": iso(record.last_received_at),
    }


def silence_view(standing: Standing, now: int) -> dict[str, Any]:
    """Show whether deliveries stay away at `now` (ms since 1970 UTC), and after how long that would be so."""
    times = {"last_delivery_at": standing.last_at, "silent_since": standing.since}
    spans = {
        "without_delivery_s": None if standing.last_at is None else max(0, now - standing.last_at),
        "usual_longest_gap_s": standing.usual_gap,
        "silent_after_s": standing.limit,
    }
    return {
        **{name: None if at is None else iso(at) for name, at in times.items()},
        "reason": standing.reason,
        **{name: None if span is None else span / 1000 for name, span in spans.items()},
    }


def changes_view(shown: Sequence[Change], first: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Show changes of a review. `first` is the payload that its history begins with, needed if that is among them."""
    return [change_view(change, first if change.kind in BEGINNINGS else None) for change in shown]


def change_view(change: Change, first: Mapping[str, Any] | None) -> dict[str, Any]:
    # A first sight is stored without its fields; here each has come from nothing.
    fields = change.fields if first is None else {name: (None, value) for name, value in first.items()}
    return {
        "version": change.version,
        "kind": change.kind,
        "fields": fields,
        "added": list(change.added if first is None else first),
        "removed": list(change.removed),
        "tags": tag_difference(fields),
        "received_at": iso(change.received_at),
        "delivery_id": change.delivery_id,
        "source": change.source,
        "certainty": change.certainty,
        "ambiguous": change.ambiguous,
        "repaired": list(change.repaired),
        "missing_for": None if change.missing_for is None else change.missing_for / 1000,
    }
