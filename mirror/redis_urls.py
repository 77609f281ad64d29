"""Reading the URL of a Redis: what would mean something else than it looks like is refused, with what to write instead.

A password with a special character is the usual case. Unescaped, it moves the end of the host's name: the process would
start, and talk to another server or to none. No message repeats a part of the URL, which may be the password.
"""

import re
from urllib.parse import SplitResult, urlsplit

from mirror.sentinel_urls import SCHEMES, sentinels

_STARTS = ("redis://", "rediss://", "unix://", *(f"{scheme}://" for scheme in SCHEMES))
# What a user's name or a password may hold only percent-encoded.
_ENCODED = {"@": "%40", "/": "%2F", "#": "%23", "?": "%3F", " ": "%20", "[": "%5B", "]": "%5D"}
_HOST = re.compile(r"[\w.-]+|[0-9a-fA-F:.]+(%[\w.-]+)?")


def redis_url(text: str) -> str:
    """Read the URL of a Redis. Raises ValueError with what to write instead."""
    if not text.startswith(_STARTS):
        raise ValueError(
            "must be a URL that starts with redis://, rediss:// or unix:// (a socket: unix:///path/to/redis.sock), "
            "redis+sentinel:// or rediss+sentinel://"
        )
    _refuse_unescaped(text)
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("must be a valid URL; percent-encode special characters in the password") from None
    if parts.scheme in SCHEMES:
        sentinels(text)
    elif parts.scheme == "unix":
        _check_socket(parts)
    else:
        _check_server(parts)
    return text


def _refuse_unescaped(text: str) -> None:
    """Refuse a character that ends the user's name and password, or the host, where it was meant as a part of them."""
    scheme, _, rest = text.partition("://")
    # Of a socket, what follows the first slash is its path, in which an @ is an @.
    credentials = (rest.partition("/")[0] if scheme == "unix" else rest).rpartition("@")[0]
    for character, encoded in _ENCODED.items():
        if character in credentials:
            raise ValueError(f"holds {_named(character)} in the user's name or password: write it as {encoded}")
    if "#" in rest:
        raise ValueError("holds a #, which ends a URL: write it as %23")
    if re.search(r"\s", rest) or not rest.isprintable():
        raise ValueError("holds a space or a control character: leave it out, or percent-encode it (a space is %20)")


def _named(character: str) -> str:
    return "a space" if character == " " else f"an unescaped {character}"


def _check_socket(parts: SplitResult) -> None:
    if parts.netloc.rpartition("@")[2] or not parts.path.strip("/"):
        raise ValueError("must name a socket by its whole path after three slashes: unix:///path/to/redis.sock")
    _check_user(parts)
    if not re.fullmatch(r"(db=[0-9]+)?", parts.query):
        raise ValueError("takes no option but ?db=NUMBER")


def _check_server(parts: SplitResult) -> None:
    if parts.query:
        # An option of redis-py's would override the deadlines that the service rests on.
        raise ValueError(
            "takes no options after a question mark; a database is written as /NUMBER, and REDIS_TLS_VERIFY=off turns "
            "verification off"
        )
    if not parts.hostname:
        raise ValueError(f"names no host: write {parts.scheme}://HOST:PORT or {parts.scheme}://:PASSWORD@HOST:PORT")
    try:
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        raise ValueError(
            "must end with a port from 0 to 65535 behind the host's colon; percent-encode special characters in the "
            "password"
        ) from None
    if not _HOST.fullmatch(parts.hostname):
        raise ValueError("must name one host; percent-encode special characters in the password")
    _check_user(parts)
    if not re.fullmatch(r"/?[0-9]*", parts.path):
        raise ValueError("must end with the number of a database, or without; in a password write / as %2F")


def _check_user(parts: SplitResult) -> None:
    if parts.username and parts.password is None:
        # redis-py would log in as this user, with an empty password.
        raise ValueError("names a user and no password: put a colon before what is the password, as in :PASSWORD@")
