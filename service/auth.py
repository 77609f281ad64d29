"""Who may come in: the webhook's secret and the tokens of the read API, compared in constant time."""

import hmac
from collections.abc import Sequence

from aiohttp import web

from service.app_keys import SETTINGS
from service.errors import ServiceError

# Of the custom headers that one may set on a webhook at Partoo (X-…, not X-Partoo…), the one that carries the secret:
# developers.partoo.co, webhooks/update-a-webhook-configuration.
SECRET_HEADER = "X-Webhook-Secret"  # noqa: S105 - a header's name


def check_secret(request: web.Request, secrets: Sequence[str] | None, in_path: str | None) -> None:
    """Let through only who knows one of the webhook's `secrets`, if there are any; to others, there is nothing here.

    It may stand in the path, in `?key=` or in SECRET_HEADER; of several, the first of these counts.
    """
    known = in_path is None if secrets is None else _is_one_of(_given_secret(request, in_path), secrets)
    if not known:
        raise ServiceError(404, "not_found", "there is nothing here")


def _given_secret(request: web.Request, in_path: str | None) -> str:
    if in_path is not None:
        return in_path
    if "key" in request.query:
        return request.query["key"]
    return _only(request.headers.getall(SECRET_HEADER, []))


def authorize(request: web.Request) -> None:
    """Let through only who sends a token of the read API, in the header: what stands in a URL ends up in logs."""
    tokens = request.app[SETTINGS].api_token
    if tokens is None:
        raise ServiceError(403, "read_api_closed", "the read API is closed: set API_TOKEN to open it")
    scheme, _, given = _only(request.headers.getall("Authorization", [])).partition(" ")
    if not (_is_one_of(given.strip(), tokens) and scheme.lower() == "bearer"):
        raise ServiceError(
            401,
            "unauthorized",
            "send the API token in the header Authorization: Bearer …",
            {"WWW-Authenticate": 'Bearer realm="reviewmirror"'},
        )


def _only(values: Sequence[str]) -> str:
    """Return the one value of a header; one that is sent twice is as good as none, as is none."""
    return values[0] if len(values) == 1 else ""


def _is_one_of(given: str, secrets: Sequence[str]) -> bool:
    """Compare with each secret, so that the time tells neither which one it is nor how much of it is right."""
    data = given.encode(errors="surrogateescape")
    return sum(hmac.compare_digest(data, secret.encode()) for secret in secrets) > 0
