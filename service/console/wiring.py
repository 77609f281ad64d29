"""What the console consists of: its connections, its pages and its routes."""

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from mirror.storage.store import Store
from service.api.health import READINESS
from service.app_keys import SETTINGS
from service.console import actions, login
from service.console.pages import business, dead_letters, doctor, endpoints, incidents, overview, reviews, story
from service.console.rendering import Renderer
from service.console.security import HEADERS
from service.console.sessions import Sessions
from service.console.visit import CONSOLE, Console, errors_as_pages, page
from service.requests import expect

# Its own, so that people who click keep neither a delivery nor a program that reads waiting. The least that
# REDIS_MAX_CONNECTIONS may be leaves none for it: it shares the readers' then.
CONNECTIONS = 1
_PREFIX = "/console"
_STATIC = Path(__file__).parent / "static"
_PAGES = (
    ("", overview.show_overview),
    ("/reviews", reviews.list_reviews),
    ("/reviews/{id}", story.show_story),
    ("/businesses", business.list_businesses),
    ("/business", business.show_business),
    ("/business/changes", business.show_changes),
    ("/incidents", incidents.list_incidents),
    ("/dead-letters", dead_letters.list_letters),
    ("/dead-letters/{id}", dead_letters.show_letter),
    ("/endpoints", endpoints.list_endpoints),
    ("/endpoints/{id}", endpoints.show_endpoint),
    ("/doctor", doctor.show_doctor),
    ("/actions/{action}", actions.ask),
)


def add_console(app: web.Application, store: Store) -> None:
    """Add the console to the application, which has its settings; it reads by `store`."""
    settings = app[SETTINGS]
    tokens = settings.api_token or ()
    style = (_STATIC / "console.css").read_bytes()
    version = hashlib.sha256(style).hexdigest()[:12]
    room = web.Application(middlewares=[errors_as_pages])
    room[CONSOLE] = Console(
        store=store,
        settings=settings,
        tokens=tokens,
        sessions=Sessions(store, tokens),
        renderer=Renderer(f"{_PREFIX}/static/{version}.css"),
        ready=app[READINESS].get,
    )
    for path, handler in _PAGES:
        room.router.add_get(path, page(handler), expect_handler=expect)
    room.router.add_post("/actions/{action}", page(actions.act), expect_handler=expect)
    room.router.add_get("/login", login.show_form, expect_handler=expect)
    room.router.add_post("/login", login.log_in, expect_handler=expect)
    room.router.add_post("/logout", login.log_out, expect_handler=expect)
    room.router.add_get(f"/static/{version}.css", _static(style, "text/css"), expect_handler=expect)
    icon = (_STATIC / "icon.svg").read_bytes()
    room.router.add_get("/static/icon.svg", _static(icon, "image/svg+xml"), expect_handler=expect)
    app.add_subapp(_PREFIX, room)
    app.router.add_get("/", _to_console, expect_handler=expect)


async def _to_console(_request: web.Request) -> web.Response:
    return web.Response(status=303, headers={"Location": _PREFIX})


def _static(body: bytes, content_type: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_request: web.Request) -> web.Response:
        headers = HEADERS | {"Cache-Control": "public, max-age=86400"}
        return web.Response(body=body, content_type=content_type, headers=headers)

    return answer
