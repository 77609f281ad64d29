"""One request of somebody who is logged in, and how a handler's page becomes an answer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
import structlog
from aiohttp import web

from mirror.domain.record import CorruptError
from mirror.settings import Settings
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.store import Store
from mirror.tokens import Scope, Token
from service.api.health import Readiness
from service.auth import log_read
from service.console.rendering import Renderer
from service.console.security import HEADERS, is_ours, session_id
from service.console.sessions import Session, Sessions
from service.errors import ServiceError, tell_corrupt
from service.requests import LOG_FACTS

# No page may take longer: whoever waits is told that Redis is slow.
PAGE_TIMEOUT_S = 5.0

_REDIS_AWAY = (
    "Redis is away, full or too slow. Deliveries may be refused meanwhile, and Partoo sends them again. Try again in a "
    "moment; /readyz says what is wrong."
)

log = structlog.get_logger()


class Console(msgspec.Struct, frozen=True):
    """What all pages share. `ready` tells whether the mirror as a whole works."""

    store: Store
    settings: Settings
    tokens: Sequence[Token]
    sessions: Sessions
    renderer: Renderer
    ready: Callable[[], Awaitable[Readiness]]


CONSOLE = web.AppKey("console", Console)


class Visit(msgspec.Struct, frozen=True):
    """A request of somebody who is logged in. `now` is in ms since 1970 UTC."""

    request: web.Request
    console: Console
    session: Session
    now: int

    @property
    def store(self) -> Store:
        return self.console.store

    @property
    def settings(self) -> Settings:
        return self.console.settings

    @property
    def may_operate(self) -> bool:
        return self.session.token.allows(Scope.OPERATE)

    def log_read(self, reviews: int, **facts: object) -> None:
        """Log that this visitor is shown personal data of so many reviews, as the API does."""
        log_read(self.request, self.session.token, reviews, **facts)

    def parameter(self, name: str) -> str:
        """Return a parameter of the URL without the spaces around it, empty if it is not there."""
        return self.request.query.get(name, "").strip()


class Page(msgspec.Struct, frozen=True):
    """What a handler has to show: a template and its values. `section` marks the entry of the navigation."""

    template: str
    section: str
    values: dict[str, Any]
    status: int = 200


class PageError(Exception):
    """What a person is told instead of a page: what is wrong, and what to do."""

    def __init__(self, status: int, title: str, words: str) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.words = words


Handler = Callable[[Visit], Awaitable[Page | web.StreamResponse]]


def page(handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Make a handler of requests out of one of visits: whoever is not logged in is led to the login."""

    async def handle(request: web.Request) -> web.StreamResponse:
        console = request.app[CONSOLE]
        if request.method == "POST" and not is_ours(request):
            raise not_ours()
        async with asyncio.timeout(PAGE_TIMEOUT_S):
            given = session_id(request)
            session = await console.sessions.find(given) if given else None
            if session is None:
                return to_login(request)
            visit = Visit(request, console, session, await console.store.now())
            found = await handler(visit)
            if isinstance(found, web.StreamResponse):
                return found
            if session.told:
                await console.sessions.was_told(session)
        return await show(console, found, now=visit.now, session=session, may_operate=visit.may_operate)

    return handle


def not_ours() -> PageError:
    return PageError(
        403, "This form was not sent from the console", "Nothing was done. Open the page anew and try again."
    )


def to_login(request: web.Request) -> web.Response:
    back = str(request.rel_url) if request.method in ("GET", "HEAD") else "/console"
    return see_other("/console/login" + ("" if back == "/console" else f"?next={quote(back, safe='')}"))


def see_other(path: str) -> web.Response:
    """Lead to another page; whatever was sent, that is got by GET."""
    return web.Response(status=303, headers={"Location": path, **HEADERS})


async def show(console: Console, found: Page, **values: Any) -> web.Response:
    """Render a page, in a thread: deliveries are not to wait for it."""
    shared: dict[str, Any] = {"now": 0, "session": None, "may_operate": False, "section": found.section}
    body = await asyncio.to_thread(console.renderer.render, found.template, shared | values | found.values)
    return web.Response(
        body=body,
        status=found.status,
        content_type="text/html",
        charset="utf-8",
        headers=HEADERS,
    )


@web.middleware
async def errors_as_pages(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
    """Show people a page where programs would get JSON."""
    try:
        response = await handler(request)
    except web.HTTPException as error:
        if error.status < 400:  # noqa: PLR2004 - it leads elsewhere
            raise
        words = "The address may be mistyped, or what it named is gone." if error.status == 404 else str(error.reason)  # noqa: PLR2004 - not found
        return await _show_error(request, PageError(error.status, error.reason, words))
    except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for a page
        return await _show_error(request, _in_words(request, error))
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _in_words(request: web.Request, error: Exception) -> PageError:
    facts = request[LOG_FACTS]
    if isinstance(error, PageError):
        return error
    if isinstance(error, ServiceError):
        return PageError(error.status, "This cannot be shown", error.message)
    if isinstance(error, CorruptError):
        tell_corrupt(request, error)
        words = (
            f"What Redis holds of review {error.review_id} cannot be read: {error.problem}. The doctor says what to do."
        )
        return PageError(500, "This review cannot be read", words)
    if isinstance(error, StorageUnavailableError):
        log.warning("redis.unavailable", error=repr(error), route=request.path, **facts)
        return PageError(503, "Redis does not answer", _REDIS_AWAY)
    log.error("request.failed", route=request.path, exc_info=error, **facts)
    return PageError(500, "An error of ours", f"It is in the log, with the request id {facts['request_id']}.")


async def _show_error(request: web.Request, error: PageError) -> web.Response:
    console = request.config_dict[CONSOLE]
    values = {"title": error.title, "words": error.words, "status": error.status}
    return await show(console, Page("error.html", "", values, error.status))
