"""What every request is given: an id of our own, which stands in its log lines and is answered in `X-Request-ID`."""

import itertools
import os

from aiohttp import web

# What a request's log lines say of it. Passed to each by hand: context variables would leak into the tasks that one
# request starts for many, and cost more.
LOG_FACTS = web.RequestKey("log_facts", dict[str, str])
_MAX_UPSTREAM_ID = 64
# In place of aiohttp's header, which names its release and Python's: who looks for a known hole need not be helped.
SERVER = "reviewmirror"
# What every answer says of itself.
ALWAYS = {"Server": SERVER, "X-Content-Type-Options": "nosniff"}


class RequestIds:
    """Gives out ids that no other process and no other start of this one gives out."""

    def __init__(self) -> None:
        self._prefix = os.urandom(5).hex()
        self._numbers = itertools.count(1)

    def next(self) -> str:
        return f"{self._prefix}{next(self._numbers):06x}"


def log_facts(request: web.Request, request_id: str) -> dict[str, str]:
    """Make what the request's log lines say. The client may send an id too, which Heroku passes on: never trust it."""
    facts = {"request_id": request_id}
    upstream = request.headers.get("X-Request-ID")
    if upstream:
        printable = "".join(character for character in upstream[:_MAX_UPSTREAM_ID] if "!" <= character <= "~")
        facts["upstream_request_id"] = printable
    return facts


def may_be_gone(request: web.Request) -> bool:
    """Tell whether the client may not get its answer: it hung up, or closed at least its own side."""
    return request.transport is None or getattr(request.protocol, "half_closed", False)


async def expect(request: web.Request) -> None:
    """Answer `Expect: 100-continue`, and ignore any other expectation (RFC 9110, 10.1.1, leaves that to the server)."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # What is counted here must be the answer alone.
        request.writer.output_size = 0
