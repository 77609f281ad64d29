"""`GET /openapi.json`: what this service answers, in OpenAPI 3.1. Open, like health and metrics: it tells no secret.

The document is built from the tables below; `tests/service/test_openapi.py` holds it to the router, to the error codes
in the source and to what the running service answers.
"""

from typing import Any

import msgspec
from aiohttp import web

from mirror import VERSION
from mirror.domain.feed import KINDS
from mirror.domain.lifecycle import Status
from service.api import schemas
from service.api.feed import DEFAULT_LIMIT as DEFAULT_EVENTS
from service.api.feed import MAX_LIMIT as MAX_EVENTS
from service.api.parameters import DEFAULT_LIMIT, MAX_LIMIT
from service.api.ratings import INTERVALS
from service.api.schemas import Schema, ref
from service.auth import SECRET_HEADER
from service.errors import RETRY_AFTER_S
from service.webhook.body import BODY_TIMEOUT_S, MAX_BODY_BYTES, MAX_CHUNKS

ABOUT = (
    "A faithful local copy of a company's Partoo reviews. Partoo posts its webhooks here; reading takes a token. "
    "Every error has one shape, and its code is stable."
)

# Every error code with its status and what it means. docs/operations.md says what to do about each.
ERRORS: dict[str, tuple[int, str]] = {
    "bad_request": (400, "The request is not valid HTTP."),
    "bad_body": (400, "The body's transfer is malformed or was broken off."),
    "bad_parameter": (400, "A parameter is unknown, there twice, or cannot be used; the message names it."),
    "signature_missing": (401, "There is no X-Partoo-Signature-v1."),
    "signature_malformed": (401, "X-Partoo-Signature-v1 is not the base64 of 64 bytes, or is there twice."),
    "signature_wrong": (401, "No configured public key vouches for this body."),
    "unauthorized": (401, "The API token is missing or wrong."),
    "read_api_closed": (403, "No API_TOKEN is configured: nobody can read."),
    "forbidden_scope": (403, "The token is known, but does not have the scope that this takes."),
    "not_found": (404, "There is nothing here, or the webhook's secret is missing or wrong."),
    "review_not_found": (404, "No delivery about this review has been applied, or not by then."),
    "history_trimmed": (404, "What is kept of its history does not reach back to that time."),
    "cursor_expired": (410, "What followed the cursor is not kept any more: list all reviews, go on from that cursor."),
    "review_forgotten": (410, "The review was erased on demand, and stays so."),
    "method_not_allowed": (405, "The header Allow names the methods that are."),
    "body_timeout": (408, f"The body was not complete within {BODY_TIMEOUT_S:g} s."),
    "body_too_large": (413, f"The body is larger than {MAX_BODY_BYTES} bytes, or has more than {MAX_CHUNKS} chunks."),
    "unsupported_encoding": (415, "The body is compressed: send it without Content-Encoding."),
    "internal_error": (500, "An error of ours; it is in the log."),
    "corrupt_record": (500, "What Redis holds of this review cannot be read; it is in the log."),
    "unavailable": (503, f"Redis is away, full or too slow: send again after {RETRY_AFTER_S} s."),
    "busy": (503, f"Too many bodies are on their way at once: send again after {RETRY_AFTER_S} s."),
    "nearly_full": (503, f"Redis nears its memory limit: send again after {RETRY_AFTER_S} s."),
    "too_many_streams": (503, "This process carries no more streams: try again, or read GET /feed with wait."),
    "ratings_not_ready": (503, "The ratings are still being worked out from the histories."),
    "not_ready": (503, "The mirror as a whole does not work; `problems` says why."),
}
_ALWAYS = ("bad_request", "method_not_allowed", "internal_error")
_DELIVERY = (
    *("bad_body", "signature_missing", "signature_malformed", "signature_wrong", "not_found", "body_timeout"),
    *("body_too_large", "unsupported_encoding", "unavailable", "nearly_full", "busy"),
)
_READING = ("bad_parameter", "unauthorized", "read_api_closed", "forbidden_scope", "unavailable")


async def openapi(_request: web.Request) -> web.Response:
    return web.Response(body=_DOCUMENT, content_type="application/json")


def document() -> dict[str, Any]:
    """Build the whole document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "reviewmirror", "version": VERSION, "description": ABOUT, "license": {"name": "MIT"}},
        "paths": {path: {method: operation} for path, method, operation in _operations()},
        "components": {
            "schemas": schemas.ALL,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": _TOKEN},
                "secretHeader": {"type": "apiKey", "in": "header", "name": SECRET_HEADER, "description": _SECRET},
                "secretParameter": {"type": "apiKey", "in": "query", "name": "key", "description": _SECRET},
            },
        },
    }


_TOKEN = "One of the tokens in API_TOKEN. Reading takes the scope read, which the scope operate includes."  # noqa: S105
_SECRET = "One of PARTOO_WEBHOOK_SECRET, if it is configured."  # noqa: S105 - a description


def _operations() -> list[tuple[str, str, dict[str, Any]]]:
    review_id = _parameter("id", {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}, "Partoo's id of the review.")
    secret = _parameter("secret", {"type": "string"}, _SECRET) | {"in": "path", "required": True}
    in_path = review_id | {"in": "path", "required": True}
    at = _parameter(
        "at", {"type": "string", "format": "date-time"}, "Show the review as it was then; UTC if it says no offset."
    )
    limit = _parameter(
        "limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}, "How many at most."
    )
    cursor = _parameter("cursor", {"type": "string", "pattern": "^[0-9]{1,19}$"}, "`next` of the page before.")
    list_cursor = _parameter(
        "cursor",
        {"type": "string", "pattern": "^[0-9]{1,19}(@[0-9]{1,15}-[0-9]{1,19})?$"},
        "`next` of the page before.",
    )
    of_business = _parameter("business_id", {"type": "string"}, "Of this business alone.")
    filters = [
        _parameter("business_id", {"type": "string"}, "Only reviews of this business."),
        _parameter("status", {"enum": [str(status) for status in Status]}, "Only reviews with this status."),
        _parameter("partner", {"type": "string"}, "Only reviews at this partner."),
    ]
    return [
        ("/webhooks/partoo", "post", _webhook()),
        ("/webhooks/partoo/{secret}", "post", _webhook(secret)),
        (
            "/reviews",
            "get",
            _read("List reviews in the order of their ids", "ReviewPage", *filters, limit, list_cursor),
        ),
        ("/reviews/{id}", "get", _read("Show a review as it is mirrored, every field", "Review", in_path, at)),
        (
            "/reviews/{id}/changes",
            "get",
            _read("Show a review's history, newest first", "ChangePage", in_path, limit, cursor),
        ),
        ("/feed", "get", _feed()),
        ("/feed/stream", "get", _feed_stream()),
        ("/ratings", "get", _ratings()),
        ("/stats", "get", _read("Tell what a deletion means: how absences ended", "Stats", of_business, limit)),
        ("/incidents", "get", _read("List reviews that vanished together", "IncidentPage", limit, cursor)),
        ("/healthz", "get", _open("Tell that this process answers", "Health")),
        ("/readyz", "get", _open("Tell whether the mirror as a whole works", "Readiness") | _readiness_errors()),
        ("/metrics", "get", _open("The fleet's counts, in the Prometheus text format", None)),
        ("/openapi.json", "get", _open("This document", "Document")),
    ]


def _parameter(name: str, schema: Schema, description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _webhook(*parameters: dict[str, Any]) -> dict[str, Any]:
    signature = _parameter("X-Partoo-Signature-v1", {"type": "string"}, "Base64 of an Ed25519 signature over the body.")
    tryout = _parameter(
        "X-Partoo-Webhook-Tryout", {"type": "string"}, "There: acknowledge the delivery, do not store it."
    )
    headers = [signature | {"in": "header", "required": True}, tryout | {"in": "header"}]
    return {
        "summary": "Take a delivery from Partoo, acknowledged once it is stored",
        "description": "Whatever is signed is acknowledged, of use or not. Partoo sends 5xx again, and nothing else.",
        "security": [] if parameters else [{}, {"secretHeader": []}, {"secretParameter": []}],
        "parameters": [*parameters, *headers],
        "requestBody": {"required": True, "content": {"application/json": {"schema": ref("Delivery")}}},
        "responses": {"200": _answer("Acknowledged.", ref("Acknowledgement"))} | _errors(*_ALWAYS, *_DELIVERY),
    }


def _read(summary: str, schema: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    of_one = parameters[0]["in"] == "path"
    codes = (
        *_ALWAYS,
        *_READING,
        *(("review_not_found", "history_trimmed", "review_forgotten", "corrupt_record") if of_one else ()),
    )
    return {
        "summary": summary,
        "security": [{"token": []}],
        "parameters": list(parameters),
        "responses": {"200": _answer("As asked for.", ref(schema))} | _errors(*codes),
    }


def _ratings() -> dict[str, Any]:
    time = {"type": "string", "format": "date-time"}
    parameters = [
        _parameter("business_id", {"type": "string"}, "Of this business; without: of all."),
        _parameter("partner", {"type": "string"}, "Of this partner; without: of all."),
        _parameter("group_by", {"enum": ["business", "partner"]}, "One answer for each of these."),
        _parameter("at", time, "As of this moment; without: now."),
        _parameter("from", time, "A series from here on, instead of one moment."),
        _parameter("to", time, "Until here; without: now."),
        _parameter(
            "interval", {"enum": list(INTERVALS)}, "At the beginning of each of these, in UTC: day if not given."
        ),
    ]
    operation = _read(
        "Tell the rating as it was shown, and adjusted for what came back", "RatingsOrBuckets", *parameters
    )
    return operation | {"responses": operation["responses"] | _errors("unavailable", "ratings_not_ready")}


_POSITION: Schema = {"anyOf": [{"const": "now"}, {"type": "string", "pattern": "^[0-9]{1,15}-[0-9]{1,19}$"}]}


def _feed() -> dict[str, Any]:
    most = {"type": "integer", "minimum": 1, "maximum": MAX_EVENTS, "default": DEFAULT_EVENTS}
    parameters = [
        _parameter(
            "cursor", _POSITION, "Where to go on: `cursor` of the answer before, or now. Without: the oldest kept."
        ),
        _parameter("limit", most, "How many at most."),
        _parameter(
            "wait", {"type": "string", "pattern": "^([0-9]{1,4}ms|[1-4]?[0-9]s|50s)$"}, "How long to wait, at most 50s."
        ),
        *_event_filters(),
    ]
    operation = _read("Follow every change, the oldest first", "FeedPage", *parameters)
    return operation | {"responses": operation["responses"] | _errors("cursor_expired")}


def _feed_stream() -> dict[str, Any]:
    header = _parameter("Last-Event-ID", _POSITION, "Where to go on, as a browser's EventSource says by itself.")
    parameters = [
        _parameter("cursor", _POSITION, "Where to go on if there is no Last-Event-ID. Without: the oldest kept."),
        header | {"in": "header"},
        *_event_filters(),
    ]
    operation = _read("Follow every change as server-sent events", "FeedPage", *parameters)
    stream = {
        "description": "Each event has its cursor as `id`, its type as `event` and an Event as `data`. A comment comes "
        "at least every 15 s. `event: cursor_expired`, with an Error as `data`, and the end: what followed the cursor "
        "is not kept any more.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
    errors = _errors(*_ALWAYS, *_READING, "too_many_streams")
    return operation | {"responses": {"200": stream} | errors}


def _event_filters() -> list[dict[str, Any]]:
    return [
        _parameter("kind", {"enum": list(KINDS)}, "Only events of this kind."),
        _parameter("business_id", {"type": "string"}, "Only events of this business."),
        _parameter("partner", {"type": "string"}, "Only events of this partner."),
    ]


def _open(summary: str, schema: str | None) -> dict[str, Any]:
    shown = {"description": "Text.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    fine = shown if schema is None else _answer("As asked for.", ref(schema))
    return {"summary": summary, "security": [], "responses": {"200": fine} | _errors(*_ALWAYS)}


def _readiness_errors() -> dict[str, Any]:
    ready = _answer("It works; `warnings` name what endangers it.", ref("Readiness"))
    return {"responses": {"200": ready} | _errors(*_ALWAYS, "not_ready")}


def _errors(*codes: str) -> dict[str, Any]:
    """Make the responses of an operation that may answer these errors, one for each status."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(ERRORS[code][0], []).append(code)
    return {str(status): _error(by_status[status]) for status in sorted(by_status)}


def _error(codes: list[str]) -> dict[str, Any]:
    code = {"properties": {"error": {"properties": {"code": {"enum": codes}}}}}
    base = "Readiness" if "not_ready" in codes else "Error"
    answer = _answer(" ".join(f"{code}: {ERRORS[code][1]}" for code in codes), {"allOf": [ref(base), code]})
    answer["x-error-codes"] = codes
    headers = {"unavailable": "Retry-After", "unauthorized": "WWW-Authenticate", "method_not_allowed": "Allow"}
    named = {headers[code]: {"schema": {"type": "string"}} for code in codes if code in headers}
    return answer | ({"headers": answer["headers"] | named} if named else {})


def _answer(description: str, schema: Schema) -> dict[str, Any]:
    request_id = {"description": "Stands in the log lines of this request too.", "schema": {"type": "string"}}
    return {
        "description": description,
        "headers": {"X-Request-ID": request_id},
        "content": {"application/json": {"schema": schema}},
    }


_DOCUMENT = msgspec.json.encode(document())
