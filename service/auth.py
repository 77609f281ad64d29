"""Who may come in: the webhook's secret and the tokens of the read API, compared in constant time."""

import hmac
from collections.abc import Sequence

from aiohttp import web

from service.app_keys import SETTINGS
from service.errors import ServiceError

# Of the custom headers that one may set on a webhook at Partoo (X-…, not X-Partoo…), the one that carries the secret:
# developers.partoo.co, webhooks/update-a-webhook-configuration.
SECRET_HEADER = "X-Webhook-Secret"  # noqa: S105 - a header's name


def authorize(request: web.Request) -> None:
    """Let through only who sends a token of the read API, in the header: what stands in a URL ends up in logs."""
    tokens = request.app[SETTINGS].api_token
    if tokens is None:
        raise ServiceError(403, "read_api_closed", "the read API is closed: set API_TOKEN to open it")
    scheme, _, given = _only(request.headers.getall("Authorization", [])).partition(" ")
    if not (is_one_of(given.strip(), tokens) and scheme.lower() == "bearer"):
        raise ServiceError(
            401,
            "unauthorized",
            "send the API token in the header Authorization: Bearer …",
            {"WWW-Authenticate": 'Bearer realm="reviewmirror"'},
        )


def _only(values: Sequence[str]) -> str:
    """Return the one value of a header; one that is sent twice is as good as none, as is none."""
    return values[0] if len(values) == 1 else ""


def is_one_of(given: str, secrets: Sequence[str]) -> bool:
    """Compare with each secret, so that the time tells neither which one it is nor how much of it is right."""
    data = given.encode(errors="surrogateescape")
    return sum(hmac.compare_digest(data, secret.encode()) for secret in secrets) > 0
