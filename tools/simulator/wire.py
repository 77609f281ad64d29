"""What Partoo puts on the wire: an event's body and its headers. Performs no I/O."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools.simulator.keys import Signer

SIGNATURE_HEADER = "X-Partoo-Signature-v1"
TRYOUT_HEADER = "X-Partoo-Webhook-Tryout"


def encode_event(event_type: str, payload: Mapping[str, Any]) -> bytes:
    """Encode one event as the exact bytes that are signed and sent: compact JSON, UTF-8, fields in the given order.

    Raises ValueError for what JSON over UTF-8 cannot carry (NaN, a lone surrogate).
    """
    event = {"type": event_type, "payload": payload}
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


@dataclass(frozen=True, slots=True)
class SignedEvent:
    """What one POST carries. A redelivery carries the very same: nothing in it tells the attempts apart."""

    body: bytes
    headers: Mapping[str, str]


def sign_event(body: bytes, signer: Signer, extra_headers: Mapping[str, str]) -> SignedEvent:
    """Sign a body; the signature covers it alone, neither the headers nor any time."""
    headers = {"Content-Type": "application/json", SIGNATURE_HEADER: signer.sign(body), **extra_headers}
    return SignedEvent(body, headers)
