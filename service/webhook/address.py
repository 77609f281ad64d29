"""Which requests are for the webhook: whatever is sent below /webhooks, or with Partoo's signature to a wrong address.

Partoo never repeats a delivery that was answered with 4xx. So an address is read generously, and a refusal is logged,
without the secret that the address may hold.
"""

from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import unquote

from aiohttp import web

from mirror.domain.wire import SIGNATURE_HEADER
from service.auth import SECRET_HEADER, is_one_of
from service.errors import ServiceError
from service.requests import expect

PATH = "/webhooks/partoo"
_PARTS = ["webhooks", "partoo"]
# The methods by which somebody may mean to deliver something.
_DELIVERING = ("POST", "PUT")


class AddressError(ServiceError):
    """A request that may be a delivery came to the wrong address: `mistake` says in which way, `shown` where to."""

    def __init__(self, status: int, code: str, message: str, mistake: str, shown: str) -> None:
        super().__init__(status, code, message, {"Allow": "POST"} if mistake == "method" else None)
        self.mistake = mistake
        self.shown = shown


class WebhookResource(web.PlainResource):
    """The router's rule for the webhook, whatever the method and however the address is written.

    It is known to the router as `/`, as that is where the router looks last, for any path.
    """

    def __init__(self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> None:
        super().__init__(PATH)
        self._route = self.add_route("*", handler, expect_handler=expect)

    @property
    def canonical(self) -> str:
        return "/"

    async def resolve(self, request: web.Request) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        return (web.UrlMappingMatchInfo({}, self._route) if concerns(request) else None), set()


def concerns(request: web.Request) -> bool:
    """Tell whether the webhook answers a request, even if only to refuse it."""
    raw_path = request.rel_url.raw_path
    return (
        raw_path == PATH
        or _split(raw_path)[:1] == _PARTS[:1]
        or (request.method in _DELIVERING and SIGNATURE_HEADER in request.headers)
    )


def may_deliver(request: web.Request) -> bool:
    """Tell whether refusing a request may lose an event."""
    return request.method in _DELIVERING


def check(request: web.Request, secrets: Sequence[str] | None) -> None:
    """Raise AddressError unless this is a POST to the webhook's path, with one of the `secrets` if there are any.

    A secret may stand in the path, in `?key=` or in SECRET_HEADER. Without a valid one the answer is 404.
    """
    parts = _split(request.rel_url.raw_path)
    if parts[:2] != _PARTS:
        raise _refusal(404, "not_found", "there is nothing here", "path", parts)
    if request.method != "POST":
        raise _refusal(405, "method_not_allowed", "Method Not Allowed: deliver by POST", "method", parts)
    if secrets is not None and not any(is_one_of(given, secrets) for given in _given(request, parts)):
        raise _refusal(404, "not_found", "there is nothing here", "secret", parts)


def _split(raw_path: str) -> list[str]:
    """Cut a path into its parts, as if no slash were doubled and none stood at the end."""
    return [unquote(part, errors="surrogateescape") for part in raw_path.split("/") if part]


def _given(request: web.Request, parts: Sequence[str]) -> list[str]:
    return [*parts[2:3], *request.query.getall("key", []), *request.headers.getall(SECRET_HEADER, [])]


def _refusal(status: int, code: str, message: str, mistake: str, parts: Sequence[str]) -> AddressError:
    shown = "/".join(part if part in _PARTS else "…" for part in parts[:4])
    return AddressError(status, code, message, mistake, f"/{shown}")
