"""The HTTP side of the API: `GET /v2/reviews`, `PUT /v2/reviews/{id}`, and `GET /truth` for this machine alone."""

import hmac
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address

from aiohttp import web

from tools.simulator.api.answers import error, json_answer, too_many, truncated
from tools.simulator.api.faults import draw_fault
from tools.simulator.api.limits import RateLimit
from tools.simulator.api.options import ApiOptions
from tools.simulator.api.search import BadParameterError, asks_for, search
from tools.simulator.api.showing import as_shown, listed
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
_STARTED = web.AppKey("started", float)


def make_api(source: TruthSource, options: ApiOptions) -> web.Application:
    """Make the API over a source of reviews, to be served by any runner."""
    app = web.Application(middlewares=[_answer_errors_in_json])
    app[_SOURCE] = source
    app[_OPTIONS] = options
    app[_LIMIT] = RateLimit(options.per_minute)
    app[_DICE] = chance(options.seed, "api")
    app[_STARTED] = time.monotonic()
    app.router.add_get("/truth", _get_truth)
    app.router.add_get(f"{BASE}/reviews", _get_reviews)
    app.router.add_put(f"{BASE}/reviews/{{id:[0-9]+}}", _put_review)
    return app


async def _get_truth(request: web.Request) -> web.Response:
    if request.remote is None or not ip_address(request.remote).is_loopback:
        return error(403, "not_from_here", "the truth is told on this machine alone; ask from 127.0.0.1")
    view = truth_view(request.app[_SOURCE], history=request.query.get("history") == "1")
    return json_answer(view | {"added_fields": request.app[_OPTIONS].added_fields})


async def _get_reviews(request: web.Request) -> web.Response:
    options, dice = request.app[_OPTIONS], request.app[_DICE]
    refused = _refusal(request) or await draw_fault(request, options, dice)
    if refused is not None:
        return refused
    try:
        # A parameter given twice cannot be told from one that was meant as a list: the last one counts.
        query: Mapping[str, str] = dict(request.query)
        page = search(
            listed(request.app[_SOURCE], options, dice),
            query,
            deleted_in_search=options.deleted_in_search,
            deleted_findable=options.deleted_findable,
        )
        with_media = asks_for("with_media_links", query.get("with_media_links", "false"))
    except BadParameterError as problem:
        return error(400, "bad_parameter", str(problem))
    page["reviews"] = as_shown(page["reviews"], options, dice, with_media=with_media)
    if dice.random() < options.truncated:
        return truncated(page, cut_off=dice.random() < 0.5)  # noqa: PLR2004 - a coin
    return json_answer(page)


async def _put_review(request: web.Request) -> web.Response:
    refused = _refusal(request) or await draw_fault(request, request.app[_OPTIONS], request.app[_DICE])
    if refused is not None:
        return refused
    if request.content_type != "application/json":
        return error(415, "not_json", "send JSON with Content-Type: application/json")
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError):
        return error(400, "not_json", "the body is not JSON")
    state = body.get("state") if isinstance(body, dict) else None
    if state not in STATES:
        return error(400, "bad_state", f'the body must be {{"state": …}} with one of {", ".join(STATES)}')
    review = request.app[_SOURCE].set_state(int(request.match_info["id"]), state)
    if review is None:
        return error(404, "not_found", f"there is no review {request.match_info['id']}")
    return json_answer(review)


def _refusal(request: web.Request) -> web.Response | None:
    """Refuse who has not the key, and who asks too often."""
    options, given = request.app[_OPTIONS], request.headers.get(KEY_HEADER)
    if given is None:
        return error(401, "no_key", f"send the API key in the header {KEY_HEADER}")
    if not hmac.compare_digest(given.encode(errors="surrogateescape"), options.key.encode()):
        return error(403, "wrong_key", f"the key in the header {KEY_HEADER} is not the one of this API")
    if options.revoked_after is not None and time.monotonic() >= request.app[_STARTED] + options.revoked_after:
        return error(401, "revoked_key", f"the key in the header {KEY_HEADER} is no longer valid")
    wait = request.app[_LIMIT].wait(time.monotonic())
    return too_many(wait, as_date=options.retry_after_date) if wait else None


@web.middleware
async def _answer_errors_in_json(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        return error(refusal.status, refusal.reason.lower().replace(" ", "_"), f"{request.method} {request.path}")
