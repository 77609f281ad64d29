"""One delivery on its way through this process, from its body to its answer."""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from service.webhook.batch_writer import Waiting


class Delivery(Waiting, kw_only=True, eq=False):
    """What came with a request, and what has become clear of it so far.

    `started`: when its request began, in seconds of `time.perf_counter`. `key` names who vouches for it, once somebody
    does. `facts` is what its log line says of what it is.
    """

    request: web.Request
    started: float
    key: str = ""
    facts: Mapping[str, Any] = msgspec.field(default_factory=dict)
