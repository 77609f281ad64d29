"""`POST /webhooks/partoo`: the way of one delivery from its raw body to its acknowledgement."""

import hmac
import random
import time
from typing import Any

import structlog
from aiohttp import web

from mirror.clock import now_ms
from mirror.domain.changes import Source
from mirror.domain.dead_letters import DeadLetter
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.signature import SignatureError, verify
from mirror.domain.wire import SIGNATURE_HEADER, TRYOUT_HEADER, UndecodableError, identify
from mirror.storage import dead_letters
from mirror.storage.connection import UNAVAILABLE
from service.body import read_body
from service.errors import ServiceError, as_service_error, json_response
from service.requests import LOG_FACTS
from service.state import ACKNOWLEDGER, PRESSURE, SETTINGS, STORE, TALLY

log = structlog.get_logger()


async def receive(request: web.Request) -> web.Response:
    """Verify, decode and store a delivery, then acknowledge it: no 200 before it is in Redis."""
    started = time.perf_counter()
    tally = request.app[TALLY]
    try:
        _check_secret(request)
        body = await read_body(request)
        key = _verify(request, body)
        delivery_id = make_delivery_id(now_ms(), random.getrandbits(48))
        status, facts = await _take(request, delivery_id, body)
    except (ServiceError, *UNAVAILABLE) as error:
        rejection = as_service_error(error)
        tally.count(f"deliveries:rejected:{rejection.code}")
        log.warning(
            "delivery.rejected",
            code=rejection.code,
            status=rejection.status,
            reason=rejection.message,
            **request[LOG_FACTS],
            **({} if rejection is error else {"cause": repr(error)}),
        )
        raise rejection from None
    if status != "accepted":
        tally.count(f"deliveries:{status}")
    seconds = time.perf_counter() - started
    tally.observe("ack_seconds", seconds)
    log.info(
        f"delivery.{status}",
        delivery_id=delivery_id,
        **facts,
        bytes=len(body),
        key=key,
        ms=round(seconds * 1000, 1),
        **request[LOG_FACTS],
    )
    return json_response({"status": status, "delivery_id": delivery_id})


def _check_secret(request: web.Request) -> None:
    """Let through only who knows the secret, if there is one; to others, there is nothing here."""
    secret = request.app[SETTINGS].partoo_webhook_secret
    given = request.match_info.get("secret")
    if secret is None:
        known = given is None
    else:
        given = given if given is not None else request.query.get("key", "")
        known = hmac.compare_digest(given.encode(errors="surrogateescape"), secret.encode())
    if not known:
        raise ServiceError(404, "not_found", "there is nothing here")


def _verify(request: web.Request, body: bytes) -> str:
    """Return the name of the key that vouches for the body."""
    signatures = request.headers.getall(SIGNATURE_HEADER, [])
    try:
        return verify(request.app[SETTINGS].partoo_public_keys, body, signatures).name
    except SignatureError as error:
        raise ServiceError(401, error.code, str(error)) from None


async def _take(request: web.Request, delivery_id: str, body: bytes) -> tuple[str, dict[str, Any]]:
    """Do with a verified body what is to be done with it; returns the answer's status and facts for the log."""
    if TRYOUT_HEADER in request.headers:
        return "tryout", {}
    received_at = int(delivery_id[:12], 16)
    try:
        event_type, review_id = identify(body)
    except UndecodableError as error:
        request.app[PRESSURE].check()
        await dead_letters.keep(request.app[STORE], DeadLetter(delivery_id, received_at, error.code, str(error), body))
        return "dead_letter", {"code": error.code, "reason": str(error)}
    if review_id is None:
        return "ignored", {"type": event_type[:100]}
    entry = Entry(delivery_id, received_at, Source.WEBHOOK, body)
    await request.app[ACKNOWLEDGER].store(review_id, entry)
    return "accepted", {"type": event_type, "review_id": review_id}
