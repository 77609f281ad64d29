"""Who may come in: the webhook's secret and the API's tokens, compared in constant time; and who has read what."""

import hmac
from collections.abc import Sequence

import structlog
from aiohttp import web

from mirror.tokens import Scope, Token, find
from service.app_keys import SETTINGS
from service.errors import ServiceError, route_of
from service.requests import LOG_FACTS

# Of the custom headers that one may set on a webhook at Partoo (X-…, not X-Partoo…), the one that carries the secret:
# developers.partoo.co, webhooks/update-a-webhook-configuration.
SECRET_HEADER = "X-Webhook-Secret"  # noqa: S105 - a header's name

log = structlog.get_logger()


def authorize(request: web.Request, scope: Scope = Scope.READ) -> Token:
    """Return the token that the request carries in its header, if it allows `scope`. Raises ServiceError.

    A token in the URL does not count: what stands in a URL ends up in logs.
    """
    tokens = request.app[SETTINGS].api_token
    if tokens is None:
        raise ServiceError(403, "read_api_closed", "the read API is closed: set API_TOKEN to open it")
    scheme, _, given = _only(request.headers.getall("Authorization", [])).partition(" ")
    token = find(given.strip(), tokens)
    if token is None or scheme.lower() != "bearer":
        raise ServiceError(
            401,
            "unauthorized",
            "send the API token in the header Authorization: Bearer …",
            {"WWW-Authenticate": 'Bearer realm="reviewmirror"'},
        )
    check_scope(token, scope)
    return token


def check_scope(token: Token, scope: Scope) -> None:
    """Raise ServiceError unless the token allows `scope`."""
    if not token.allows(scope):
        message = f"the token {token.name} has the scope {token.scope}; this takes one with the scope {scope}"
        raise ServiceError(403, "forbidden_scope", message)


def log_read(request: web.Request, token: Token, reviews: int, **facts: object) -> None:
    """Log who was given personal data of how many reviews: one line an answer, none where it holds no review.

    `facts` says which reviews were asked for: the review's id, or the filters. Those that are None are left out.
    """
    if reviews:
        named = {name: value for name, value in facts.items() if value is not None}
        log.info("api.read", token=token.name, route=route_of(request), reviews=reviews, **named, **request[LOG_FACTS])


def _only(values: Sequence[str]) -> str:
    """Return the one value of a header; one that is sent twice is as good as none, as is none."""
    return values[0] if len(values) == 1 else ""


def is_one_of(given: str, secrets: Sequence[str]) -> bool:
    """Compare with each secret, so that the time tells neither which one it is nor how much of it is right."""
    data = given.encode(errors="surrogateescape")
    return sum(hmac.compare_digest(data, secret.encode()) for secret in secrets) > 0
