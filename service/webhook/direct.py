"""The way of deliveries past aiohttp's router, which costs each of them as much as its log line.

What the router knows of a request, its `app` and `match_info`, the handler of such a route does without.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from service.webhook.address import concerns

# Any: aiohttp's server says that it hands over a BaseRequest; an application's makes it a Request.
Handler = Callable[[Any], Awaitable[web.StreamResponse]]


class Direct(msgspec.Struct, frozen=True):
    """The one route that is looked for before the router is asked."""

    path: str
    handler: Handler

    def fits(self, request: web.Request) -> bool:
        """Tell whether a request is for this route, whatever its method. All else is for the router to judge."""
        return concerns(request)


DIRECT = web.AppKey("direct", Direct)
