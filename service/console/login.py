"""Login and logout."""

import structlog
from aiohttp import web

from mirror.tokens import find
from service.console.security import (
    client_address,
    cookie_name,
    end_session,
    is_ours,
    own_path,
    session_id,
    set_session,
)
from service.console.visit import CONSOLE, Page, PageError, not_ours, see_other, show
from service.requests import LOG_FACTS

log = structlog.get_logger()

_CLOSED = PageError(
    403,
    "The console is closed",
    "API_TOKEN is not set, so nobody can log in. Set it to a long random text, for instance to what `openssl rand "
    "-hex 24` gives, and restart the web process.",
)


async def show_form(request: web.Request) -> web.StreamResponse:
    console = request.app[CONSOLE]
    if not console.tokens:
        raise _CLOSED
    back = own_path(request.query.get("next", ""))
    # A link on another site brings no cookie along (SameSite=Strict); one on this page does.
    came_from_elsewhere = request.headers.get("Sec-Fetch-Site") == "cross-site"
    return await show(console, Page("login.html", "", {"next": back, "problem": "", "elsewhere": came_from_elsewhere}))


async def log_in(request: web.Request) -> web.StreamResponse:
    console = request.app[CONSOLE]
    if not console.tokens:
        raise _CLOSED
    # Without a token nobody gets in, so what is no browser need not name an origin here.
    if not is_ours(request, needs_origin=False):
        raise not_ours()
    form = await request.post()
    given, back = form.get("token", ""), own_path(str(form.get("next", "")))
    address = client_address(request)
    if not await console.sessions.may_try(address):
        log.warning("console.login_refused", reason="too many failed logins", **request[LOG_FACTS])
        problem = "Too many logins have failed. Wait a minute, then try again."
        return await show(console, _form(429, back, problem))
    token = find(given.strip(), console.tokens) if isinstance(given, str) else None
    if token is None:
        await console.sessions.has_failed(address)
        log.warning("console.login_refused", reason="no such token", **request[LOG_FACTS])
        problem = "This is none of the tokens in API_TOKEN. Copy it once more, without its name and scope."
        return await show(console, _form(401, back, problem))
    if request.cookies.get(cookie_name(request)):
        await console.sessions.end(session_id(request))
    response = see_other(back)
    set_session(request, response, await console.sessions.begin(token))
    log.info("console.login", token=token.name, **request[LOG_FACTS])
    return response


async def log_out(request: web.Request) -> web.StreamResponse:
    if not is_ours(request):
        raise not_ours()
    await request.app[CONSOLE].sessions.end(session_id(request))
    response = see_other("/console/login")
    end_session(request, response)
    return response


def _form(status: int, back: str, problem: str) -> Page:
    return Page("login.html", "", {"next": back, "problem": problem, "elsewhere": False}, status)
