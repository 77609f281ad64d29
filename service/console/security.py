"""What keeps others out of a session: its cookie, the origin of what is sent, and the headers of every page."""

import re
from urllib.parse import urlsplit

from aiohttp import web

SESSION_COOKIE = "rm_session"
# Browsers take a cookie with this prefix over TLS only, from this host only, and for the whole host.
_HOST_PREFIX = "__Host-"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    # `no-referrer` would have browsers send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# A path of the console, with a query or without, that a login may lead back to.
_OWN_PATH = re.compile(r"/console(?:/[A-Za-z0-9_./-]*)?(?:\?[^\s\\#]*)?")
_MAX_PATH_CHARS = 1_000


def is_secure(request: web.Request) -> bool:
    """Tell whether the browser speaks TLS, to us or to the platform's router."""
    return request.secure or _last(request, "X-Forwarded-Proto") == "https"


def client_address(request: web.Request) -> str:
    """Name the client: as the router in front saw it, or as we do where there is none."""
    return _last(request, "X-Forwarded-For") or request.remote or "unknown"


def _last(request: web.Request, header: str) -> str:
    """Return what the nearest router has written: what stands before that, anybody may have."""
    return request.headers.get(header, "").rpartition(",")[2].strip()


def cookie_name(request: web.Request) -> str:
    return (_HOST_PREFIX if is_secure(request) else "") + SESSION_COOKIE


def session_id(request: web.Request) -> str:
    return request.cookies.get(cookie_name(request), "")


def set_session(request: web.Request, response: web.StreamResponse, value: str) -> None:
    secure = is_secure(request)
    response.set_cookie(cookie_name(request), value, path="/", httponly=True, samesite="Strict", secure=secure)


def end_session(request: web.Request, response: web.StreamResponse) -> None:
    secure = is_secure(request)
    response.del_cookie(cookie_name(request), path="/", httponly=True, samesite="Strict", secure=secure)


def is_ours(request: web.Request, *, needs_origin: bool = True) -> bool:
    """Tell whether a form was sent from our own page: every browser says from where."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return False
    origin = request.headers.get("Origin")
    if origin is None:
        return not needs_origin
    try:
        return bool(origin) and urlsplit(origin).netloc == request.headers.get("Host")
    except ValueError:
        return False


def own_path(text: str) -> str:
    """Return `text` if it is a path of the console, else the console's first page."""
    return text if len(text) <= _MAX_PATH_CHARS and _OWN_PATH.fullmatch(text) else "/console"
