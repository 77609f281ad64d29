"""One delivery on its way through this process, from its body to its answer."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from mirror.domain.changes import Source
from mirror.domain.inbox import Entry
from mirror.storage.inbox import make_entry


class Delivery(msgspec.Struct, kw_only=True, eq=False):
    """What came with a request, and what the steps have found out about it so far.

    `done`: becomes the status to answer, or the error that kept the delivery from being stored.
    `started`: when its request began, in seconds of `time.perf_counter`.
    `undated`: why Redis's time is not known, so that the delivery must not be stored; None if it is known.
    `key`: the name of the public key that verified it; empty before that.
    `review_id`: the review it is about; 0 before it is read.
    `facts`: what its log line says about its content.
    `deadline`: when it is refused unless it is stored, in seconds of the loop's clock.
    """

    request: web.Request
    entry: Entry
    done: "asyncio.Future[str]"
    started: float
    undated: Exception | None = None
    key: str = ""
    review_id: int = 0
    facts: Mapping[str, Any] = msgspec.field(default_factory=dict)
    deadline: float = 0.0


def make_delivery(request: web.Request, body: bytes, started: float, received_at: int) -> Delivery:
    """Give a body that was received at `received_at` (ms since 1970 UTC) an id of its own."""
    return Delivery(
        request=request,
        entry=make_entry(received_at, Source.WEBHOOK, body),
        done=asyncio.get_running_loop().create_future(),
        started=started,
    )
