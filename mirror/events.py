"""What the mirror tells other programs: the feed's entries as CloudEvents 1.0, for the feed and outgoing webhooks.

The envelope is that of https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md. Performs no I/O.
"""

from typing import Any

import msgspec

from mirror.clock import iso
from mirror.domain.changes import BEGINNINGS
from mirror.domain.feed import FORGOTTEN, Entry, Shown
from mirror.domain.inbox import received_at
from mirror.domain.outgoing import event_id
from mirror.domain.review import text_field
from mirror.views import change_view

TYPE_PREFIX = "reviewmirror."


class CloudEvent(msgspec.Struct, frozen=True):
    """One event: `id` stays the same however often it is delivered, `time` is ISO 8601 in UTC."""

    id: str
    source: str
    type: str
    subject: str
    time: str
    data: dict[str, Any]
    specversion: str = "1.0"
    datacontenttype: str = "application/json"


class Filter(msgspec.Struct, frozen=True):
    """Which events a reader wants; None does not filter."""

    kind: str | None = None
    business_id: str | None = None
    partner: str | None = None

    def names(self, kind: str) -> bool:
        return self.kind in (None, kind)

    def matches(self, shown: Shown) -> bool:
        return self.names(shown.entry.kind) and concerns(shown, self.business_id, self.partner)


def event_of(shown: Shown) -> CloudEvent:
    """Make the event of an entry."""
    entry = shown.entry
    if entry.facts is not None:
        return _event_of_facts(entry, entry.facts)
    return CloudEvent(
        id=event_id(entry.kind, entry.review_id, entry.version, entry.position),
        source="/reviews",
        type=f"{TYPE_PREFIX}review.{entry.kind}",
        subject=str(entry.review_id),
        time=iso(received_at(entry.delivery_id) if shown.change is None else shown.change.received_at),
        data=_data(shown),
    )


def _data(shown: Shown) -> dict[str, Any]:
    entry, change, record = shown.entry, shown.change, shown.record
    data: dict[str, Any] = {"id": entry.review_id}
    if entry.kind == FORGOTTEN:
        return data
    data |= {"kind": entry.kind, "version": entry.version, "delivery_id": entry.delivery_id}
    if change is not None:
        data |= change_view(change, record.review if record is not None and change.kind in BEGINNINGS else None)
    if record is not None:
        return data | {"status": record.status, "certainty": record.certainty, "review": record.review}
    # Forgotten, trimmed or unreadable since: the entry says that it happened, not what.
    return data | {"status": None, "review": None}


def _event_of_facts(entry: Entry, facts: dict[str, Any]) -> CloudEvent:
    group = entry.kind.partition(".")[0]
    return CloudEvent(
        id=event_id(entry.kind, 0, 0, entry.position, about_review=False),
        source=f"/{group}s",
        type=f"{TYPE_PREFIX}{entry.kind}",
        subject=str(facts.get("scope", group)),
        time=iso(entry.position.at),
        data=facts,
    )


def concerns(shown: Shown, business_id: str | None, partner: str | None) -> bool:
    """Tell whether an entry is about this business and partner; None is about any.

    What is not known of an entry any more concerns everybody: a demand to forget must reach all who may hold a copy.
    """
    if shown.record is None:
        return shown.entry.facts is None or _in_scope(shown.entry.facts, business_id, partner)
    review = shown.record.review
    return (business_id is None or text_field(review, "business_id") == business_id) and (
        partner is None or text_field(review, "partner") == partner
    )


def _in_scope(facts: dict[str, Any], business_id: str | None, partner: str | None) -> bool:
    return (business_id is None or facts.get("business_id", business_id) == business_id) and (
        partner is None or facts.get("partner", partner) == partner
    )
