"""`POST /webhooks/partoo`: the way of one delivery from its raw body to its acknowledgement."""

import random
import time
from typing import Any

import structlog
from aiohttp import web

from mirror.clock import now_ms
from mirror.domain.changes import Source
from mirror.domain.dead_letters import dead_letter
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.signature import SignatureError, verify
from mirror.domain.wire import SIGNATURE_HEADER, TRYOUT_HEADER, UndecodableError, identify
from mirror.storage import dead_letters
from mirror.storage.connection import UNAVAILABLE
from service.access import check_secret
from service.body import read_body
from service.errors import ServiceError, as_service_error, json_response
from service.requests import LOG_FACTS
from service.state import ACKNOWLEDGER, PRESSURE, REDELIVERIES, SETTINGS, STORE, TALLY

log = structlog.get_logger()


async def receive(request: web.Request) -> web.Response:
    """Verify, decode and store a delivery, then acknowledge it: no 200 before it is in Redis."""
    started = time.perf_counter()
    try:
        check_secret(request)
        body = await read_body(request)
        key = _verify(request, body)
    except ServiceError as error:
        raise _rejected(request, error) from None
    received_at = now_ms()
    delivery_id = make_delivery_id(received_at, random.getrandbits(48))
    try:
        status, facts = await _take(request, Entry(delivery_id, received_at, Source.WEBHOOK, body))
    except (ServiceError, *UNAVAILABLE) as error:
        request.app[REDELIVERIES].expect(body, received_at)
        raise _rejected(request, error) from None
    tally = request.app[TALLY]
    if status != "accepted":
        tally.count(f"deliveries:{status}")
    seconds = time.perf_counter() - started
    tally.observe("ack_seconds", seconds)
    if request.transport is None:
        # The client has hung up: it will send the same again.
        request.app[REDELIVERIES].expect(body, received_at)
        facts |= {"acknowledged": False}
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


def _rejected(request: web.Request, error: Exception) -> ServiceError:
    """Count and log that a delivery is not acknowledged, and return what to answer."""
    rejection = as_service_error(error)
    request.app[TALLY].count(f"deliveries:rejected:{rejection.code}")
    log.warning(
        "delivery.rejected",
        code=rejection.code,
        status=rejection.status,
        reason=rejection.message,
        **request[LOG_FACTS],
        **({} if rejection is error else {"cause": repr(error)}),
    )
    return rejection


def _verify(request: web.Request, body: bytes) -> str:
    """Return the name of the key that vouches for the body."""
    signatures = request.headers.getall(SIGNATURE_HEADER, [])
    try:
        return verify(request.app[SETTINGS].partoo_public_keys, body, signatures).name
    except SignatureError as error:
        raise ServiceError(401, error.code, str(error)) from None


async def _take(request: web.Request, entry: Entry) -> tuple[str, dict[str, Any]]:
    """Do with a verified body what is to be done with it; returns the answer's status and facts for the log."""
    if TRYOUT_HEADER in request.headers:
        return "tryout", {}
    try:
        event_type, review_id = identify(entry.body)
    except UndecodableError as error:
        request.app[PRESSURE].check()
        await dead_letters.keep(request.app[STORE], dead_letter(entry, error.code, str(error)))
        return "dead_letter", {"code": error.code, "reason": str(error)}
    if review_id is None:
        return "ignored", {"type": event_type[:100]}
    await request.app[ACKNOWLEDGER].store(review_id, entry)
    request.app[REDELIVERIES].arrived(entry.body)
    return "accepted", {"type": event_type, "review_id": review_id}
