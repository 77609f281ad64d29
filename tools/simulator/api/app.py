"""The HTTP side of the API: `GET /v2/reviews`, `PUT /v2/reviews/{id}`, and `GET /truth` for this machine alone.

Errors are `{"error": {"code", "message"}}`; Partoo documents their statuses (400, 401, 403, 404, 415, 429), no shape.
"""

import asyncio
import hmac
import json
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from typing import Any

from aiohttp import web

from tools.simulator.api.limits import RateLimit
from tools.simulator.api.options import ApiOptions
from tools.simulator.api.search import BadParameterError, search
from tools.simulator.api.source import TruthSource
from tools.simulator.api.truth_view import truth_view
from tools.simulator.chance import Dice, chance
from tools.simulator.population.changes import STATES

BASE = "/v2"
KEY_HEADER = "x-APIKey"

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_SOURCE = web.AppKey("source", TruthSource)
_OPTIONS = web.AppKey("options", ApiOptions)
_LIMIT = web.AppKey("limit", RateLimit)
_DICE = web.AppKey("dice", Dice)


def make_api(source: TruthSource, options: ApiOptions) -> web.Application:
    """Make the API over a source of reviews, to be served by any runner."""
    app = web.Application(middlewares=[_answer_errors_in_json])
    app[_SOURCE] = source
    app[_OPTIONS] = options
    app[_LIMIT] = RateLimit(options.per_minute)
    app[_DICE] = chance(options.seed, "api")
    app.router.add_get("/truth", _get_truth)
    app.router.add_get(f"{BASE}/reviews", _get_reviews)
    app.router.add_put(f"{BASE}/reviews/{{id:[0-9]+}}", _put_review)
    return app


async def _get_truth(request: web.Request) -> web.Response:
    if request.remote is None or not ip_address(request.remote).is_loopback:
        return _error(403, "not_from_here", "the truth is told on this machine alone; ask from 127.0.0.1")
    return _json(truth_view(request.app[_SOURCE], history=request.query.get("history") == "1"))


async def _get_reviews(request: web.Request) -> web.Response:
    refused = _refusal(request) or await _fault(request)
    if refused is not None:
        return refused
    options = request.app[_OPTIONS]
    reviews = [review for review in request.app[_SOURCE].reviews() if not _is_left_out(review, options)]
    try:
        # A parameter given twice cannot be told from one that was meant as a list: the last one counts.
        query: Mapping[str, str] = dict(request.query)
        page = search(
            reviews,
            query,
            deleted_in_search=options.deleted_in_search,
            deleted_findable=options.deleted_findable,
        )
    except BadParameterError as error:
        return _error(400, "bad_parameter", str(error))
    dice = request.app[_DICE]
    if dice.random() < options.truncated:
        return _truncated(page, cut_off=dice.random() < 0.5)  # noqa: PLR2004 - a coin
    return _json(page)


async def _put_review(request: web.Request) -> web.Response:
    refused = _refusal(request) or await _fault(request)
    if refused is not None:
        return refused
    if request.content_type != "application/json":
        return _error(415, "not_json", "send JSON with Content-Type: application/json")
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError):
        return _error(400, "not_json", "the body is not JSON")
    state = body.get("state") if isinstance(body, dict) else None
    if state not in STATES:
        return _error(400, "bad_state", f'the body must be {{"state": …}} with one of {", ".join(STATES)}')
    review = request.app[_SOURCE].set_state(int(request.match_info["id"]), state)
    if review is None:
        return _error(404, "not_found", f"there is no review {request.match_info['id']}")
    return _json(review)


def _refusal(request: web.Request) -> web.Response | None:
    """Refuse who has not the key, and who asks too often."""
    given = request.headers.get(KEY_HEADER)
    if given is None:
        return _error(401, "no_key", f"send the API key in the header {KEY_HEADER}")
    if not hmac.compare_digest(given.encode(errors="surrogateescape"), request.app[_OPTIONS].key.encode()):
        return _error(403, "wrong_key", f"the key in the header {KEY_HEADER} is not the one of this API")
    wait = request.app[_LIMIT].wait(time.monotonic())
    return _too_many(wait) if wait else None


async def _fault(request: web.Request) -> web.Response | None:
    """Draw whether this request meets a fault, and which."""
    options, lot = request.app[_OPTIONS], request.app[_DICE].random()
    if lot < options.too_many:
        return _too_many(1.0)
    if lot < options.too_many + options.failing:
        return _error(500, "internal", "something went wrong, as it was told to")
    if lot < options.too_many + options.failing + options.hanging:
        await asyncio.sleep(options.hang_s)
        return _error(504, "timeout", f"no answer within {options.hang_s:g} s, as it was told to")
    return None


def _is_left_out(review: Mapping[str, Any], options: ApiOptions) -> bool:
    return bool(options.left_out) and chance(options.seed, "left out", review["id"]).random() < options.left_out


def _truncated(page: dict[str, Any], *, cut_off: bool) -> web.Response:
    if cut_off:
        body = _dump(page)
        return web.Response(body=body[: len(body) // 2], content_type="application/json")
    return _json({**page, "reviews": page["reviews"][: len(page["reviews"]) // 2]})


@web.middleware
async def _answer_errors_in_json(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _error(error.status, error.reason.lower().replace(" ", "_"), f"{request.method} {request.path}")


def _too_many(wait: float) -> web.Response:
    response = _error(429, "too_many_requests", "too many requests in the last minute; wait as Retry-After says")
    response.headers["Retry-After"] = str(math.ceil(wait))
    return response


def _error(status: int, code: str, message: str) -> web.Response:
    body = {"error": {"code": code, "message": message}}
    return web.Response(status=status, body=_dump(body), content_type="application/json")


def _json(value: Mapping[str, Any]) -> web.Response:
    return web.Response(body=_dump(value), content_type="application/json")


def _dump(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
