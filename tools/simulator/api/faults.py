"""Answers that are none: what a request may meet in place of a page. Raises nothing of its own."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from tools.simulator.api.answers import error, too_many
from tools.simulator.api.options import ApiOptions
from tools.simulator.chance import Dice

_SERVER_ERRORS = {500: "internal", 502: "bad_gateway", 503: "unavailable", 504: "gateway_timeout"}
_MAINTENANCE = "<!DOCTYPE html><html><body><h1>We will be back soon</h1></body></html>"

_Fault = Callable[[web.Request, ApiOptions, Dice], Awaitable[web.Response]]


async def draw_fault(request: web.Request, options: ApiOptions, dice: Dice) -> web.Response | None:
    """Draw whether this request meets a fault, and give what it gets in place of its answer."""
    lot = dice.random()
    shares: tuple[tuple[float, _Fault], ...] = (
        (options.too_many, _too_many),
        (options.failing, _fail),
        (options.hanging, _hang),
        (options.cut, _cut),
        (options.html, _html),
    )
    for share, fault in shares:
        if lot < share:
            return await fault(request, options, dice)
        lot -= share
    return None


async def _too_many(_request: web.Request, options: ApiOptions, _dice: Dice) -> web.Response:
    return too_many(1.0, as_date=options.retry_after_date)


async def _fail(_request: web.Request, _options: ApiOptions, dice: Dice) -> web.Response:
    status = dice.choice(tuple(_SERVER_ERRORS))
    return error(status, _SERVER_ERRORS[status], "something went wrong, as it was told to")


async def _hang(_request: web.Request, options: ApiOptions, _dice: Dice) -> web.Response:
    await asyncio.sleep(options.hang_s)
    return error(504, "timeout", f"no answer within {options.hang_s:g} s, as it was told to")


async def _cut(request: web.Request, _options: ApiOptions, _dice: Dice) -> web.Response:
    if request.transport is not None:
        request.transport.close()
    return web.Response()


async def _html(_request: web.Request, _options: ApiOptions, dice: Dice) -> web.Response:
    return web.Response(status=dice.choice((200, 502)), text=_MAINTENANCE, content_type="text/html")
