"""Who may come in: the token of the read API, compared in constant time."""

import hmac

from aiohttp import web

from service.errors import ServiceError
from service.state import SETTINGS


def authorize(request: web.Request) -> None:
    token = request.app[SETTINGS].api_token
    if token is None:
        raise ServiceError(403, "read_api_closed", "the read API is closed: set API_TOKEN to open it")
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(
        given.strip().encode(errors="surrogateescape"), token.encode()
    ):
        raise ServiceError(
            401,
            "unauthorized",
            "send the API token in the header Authorization: Bearer …",
            {"WWW-Authenticate": 'Bearer realm="reviewmirror"'},
        )
