"""What travels beside the events of reviews, to be ignored or to be endured. Performs no I/O."""

from typing import Any

from tools.simulator.chance import Dice
from tools.simulator.population.events import TruthEvent, iso
from tools.simulator.wire import encode_event

# guides, settings, webhooks, setup: other events may be sent to the same URL.
_OTHER_TYPES = (
    "business_created",
    "business_updated",
    "business_deleted",
    "message_created",
    "message_updated",
    "lead_received",
)


def other_event(dice: Dice, event: TruthEvent) -> bytes:
    """Make an event of another type, about the business of the review."""
    payload = {"business": {"id": event.payload["business_id"], "updated": iso(event.at), "name": "Le Magasin"}}
    return encode_event(dice.choice(_OTHER_TYPES), payload)


def undocumented(review_id: int) -> dict[str, Any]:
    """Give what the payload of this review's events carries beside the review; always the same for one review."""
    return {"origin": {"source": "sync", "review_id": review_id, "beta": True}, "schema": None}
