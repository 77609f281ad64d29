"""The mirror's JSON about endpoints of outgoing webhooks. Secrets are left out of all of it. No I/O."""

from typing import Any

from mirror.clock import iso
from mirror.domain.outgoing import Answer, Item
from mirror.storage.endpoints import Standing


def standing_view(one: Standing) -> dict[str, Any]:
    endpoint = one.endpoint
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "state": endpoint.state,
        "reason": endpoint.reason or None,
        "created_at": iso(endpoint.created_at),
        "kinds": list(endpoint.kinds),
        "business_ids": list(endpoint.business_ids),
        "partners": list(endpoint.partners),
        "hold_vanished_s": endpoint.hold_vanished / 1000,
        "cursor": one.cursor,
        "lag_events": one.lag_events,
        "lag_s": one.lag_ms / 1000,
        "pending": one.pending,
        "parked": one.parked,
        "delivered": one.delivered,
        "failed": one.failed,
        "failing_since": iso(one.failing_since) if one.failing_since else None,
        "answers": [answer_view(answer) for answer in one.answers],
    }


def answer_view(answer: Answer) -> dict[str, Any]:
    return {
        "at": iso(answer.at),
        "event": answer.event,
        "status": answer.status or None,
        "error": answer.error or None,
        "took_ms": answer.took,
    }


def item_view(item: Item) -> dict[str, Any]:
    return {
        "event": item.event_id,
        "kind": item.kind,
        "failures": item.failures,
        "last_status": item.last_status or None,
        "next_at": iso(item.next_at) if item.next_at else None,
    }
