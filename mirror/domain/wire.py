"""Partoo's wire format: the bytes of a verified webhook body become an event. Performs no I/O.

The facts come from developers.partoo.co/api-reference/webhooks-events/review-updated and review-created: a body is
`{"type": …, "payload": {"review": {…}}}`, with no event id, no event time and no sequence number. Nearly every field of
a review can be null or missing, and fields that the page does not list appear over time, so a review stays a plain
JSON object here and nothing of it is dropped.
"""

from typing import Annotated, Any

import msgspec

from mirror.domain import lenient
from mirror.domain.nesting import nests_deeper

SIGNATURE_HEADER = "X-Partoo-Signature-v1"
TRYOUT_HEADER = "X-Partoo-Webhook-Tryout"

# Partoo's schema says review_updated; its prose says review_update for the same event.
REVIEW_EVENT_TYPES = frozenset({"review_updated", "review_update", "review_created"})
# How the types of events about reviews begin, those that this release does not know too.
_REVIEW_TYPES = "review"
_MAX_TYPE_CHARS = 100

# Far above any review (a reply nests two levels), far below what exhausts the stack when one is stored or compared.
MAX_NESTING = 200
MAX_REVIEW_ID = 2**63 - 1


class UndecodableError(ValueError):
    """A signed body that this release cannot read as an event. `code` is stable, the message is for people.

    `review_id` is the id of the review that the body is about, None where that cannot be told.
    """

    def __init__(self, code: str, message: str, review_id: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.review_id = review_id


class ReviewEvent(msgspec.Struct, frozen=True):
    """An event that carries a review: `review` is the whole object as Partoo sent it, `review["id"]` a valid id.

    `repaired` names what had to be repaired before the body could be read.
    """

    type: str
    review: dict[str, Any]
    repaired: tuple[str, ...] = ()

    @property
    def review_id(self) -> int:
        review_id: int = self.review["id"]
        return review_id


class OtherEvent(msgspec.Struct, frozen=True):
    """An event that neither is of a type for reviews nor carries a review, such as `business_updated`."""

    type: str


class _Identified(msgspec.Struct, frozen=True):
    id: Annotated[int, msgspec.Meta(ge=0, le=MAX_REVIEW_ID)]


class _Payload(msgspec.Struct, frozen=True):
    review: _Identified


class _Envelope(msgspec.Struct, frozen=True):
    type: str
    payload: _Payload


_ENVELOPE = msgspec.json.Decoder(_Envelope)


def identify(body: bytes) -> tuple[str, int | None]:
    """Tell of a verified body its event type and, if it is about a review, the review's id, else None.

    The verdict is that of `decode`, at a quarter of the cost for an ordinary body, as no object is built. Raises
    UndecodableError, and nothing else, for whatever cannot be read as an event.
    """
    try:
        envelope = _ENVELOPE.decode(body)
        # A text that is passed over is not checked for being UTF-8.
        body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _identify_slowly(body)
    if envelope.type not in REVIEW_EVENT_TYPES:
        return _identify_slowly(body)
    _check_nesting(body)
    return envelope.type, envelope.payload.review.id


def _identify_slowly(body: bytes) -> tuple[str, int | None]:
    event = decode(body)
    return event.type, None if isinstance(event, OtherEvent) else event.review_id


def decode(body: bytes) -> ReviewEvent | OtherEvent:
    """Decode the raw body of a delivery whose signature has been verified.

    What a strict reading refuses is read leniently, and the event says what was repaired. Raises UndecodableError, and
    nothing else, for whatever cannot be read as an event.
    """
    envelope, repaired = _decode_json(body)
    event_type = envelope.get("type") if isinstance(envelope, dict) else None
    if not isinstance(event_type, str):
        raise UndecodableError("not_an_event", 'the body is not a JSON object with a string "type"')
    payload = envelope.get("payload")
    review = payload.get("review") if isinstance(payload, dict) else None
    if event_type not in REVIEW_EVENT_TYPES:
        return _other_event(event_type, review)
    if not isinstance(review, dict):
        raise UndecodableError("no_review", f'{event_type} has no object "payload.review"')
    _check_id(review.get("id"))
    return ReviewEvent(event_type, review, repaired)


def _other_event(event_type: str, review: Any) -> OtherEvent:
    """Refuse an event of an unknown type that is about a review: a later release may know what it means."""
    review_id = review.get("id") if isinstance(review, dict) else None
    about = review_id if type(review_id) is int and 0 <= review_id <= MAX_REVIEW_ID else None
    if about is not None or event_type.casefold().startswith(_REVIEW_TYPES):
        shown = event_type[:_MAX_TYPE_CHARS]
        raise UndecodableError(
            "unknown_review_event", f"this release does not know what {shown!a} means for a review", about
        )
    return OtherEvent(event_type)


def decode_review(body: bytes) -> ReviewEvent:
    """Decode a body that must be about a review. Raises UndecodableError, and nothing else."""
    event = decode(body)
    if isinstance(event, OtherEvent):
        raise UndecodableError("not_a_review", f"{event.type} is not an event about a review")
    return event


def _decode_json(body: bytes) -> tuple[Any, tuple[str, ...]]:
    _check_nesting(body)
    try:
        return msgspec.json.decode(body), ()
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        return lenient.decode(body)
    except lenient.NotJsonError as error:
        raise UndecodableError("not_json", f"the body is not JSON: {error}") from None


def _check_nesting(body: bytes) -> None:
    if nests_deeper(body, MAX_NESTING):
        raise UndecodableError("too_deep", f"the body nests deeper than {MAX_NESTING} levels")


def _check_id(review_id: Any) -> None:
    if type(review_id) is not int:
        raise UndecodableError("bad_review_id", f"the review's id is {_kind(review_id)}, not an integer")
    if not 0 <= review_id <= MAX_REVIEW_ID:
        raise UndecodableError("bad_review_id", f"the review's id is not between 0 and {MAX_REVIEW_ID}")


def _kind(value: Any) -> str:
    kinds = {type(None): "missing or null", bool: "a boolean", str: "a string", float: "a decimal number"}
    return kinds.get(type(value), "an array or an object")
