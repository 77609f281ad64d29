"""Answers as the API gives them: JSON, and errors in one shape. Performs no I/O.

Errors are `{"error": {"code", "message"}}`; Partoo documents their statuses (400, 401, 403, 404, 415, 429), no shape.
"""

import json
import math
import time
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

from aiohttp import web


def json_answer(value: Mapping[str, Any]) -> web.Response:
    return web.Response(body=dump(value), content_type="application/json")


def error(status: int, code: str, message: str) -> web.Response:
    body = {"error": {"code": code, "message": message}}
    return web.Response(status=status, body=dump(body), content_type="application/json")


def too_many(wait: float, *, as_date: bool) -> web.Response:
    """Answer 429; `wait` is in seconds, told as such or as the HTTP date by which it is over."""
    response = error(429, "too_many_requests", "too many requests in the last minute; wait as Retry-After says")
    whole = math.ceil(wait)
    response.headers["Retry-After"] = formatdate(time.time() + whole, usegmt=True) if as_date else str(whole)
    return response


def truncated(page: Mapping[str, Any], *, cut_off: bool) -> web.Response:
    """Answer with half a page: half its JSON, or half its reviews."""
    if cut_off:
        body = dump(page)
        return web.Response(body=body[: len(body) // 2], content_type="application/json")
    return json_answer({**page, "reviews": page["reviews"][: len(page["reviews"]) // 2]})


def dump(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
