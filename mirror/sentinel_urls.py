"""Reading the URL of Redis Sentinels: `redis+sentinel://[user:password@]host[:port][,host[:port]…]/service[/db]`.

`rediss+sentinel://` uses TLS to the sentinels and to the servers. User and password are those of the servers; where the
sentinels have their own, `?sentinel_password=…` and `&sentinel_username=…` tell them. No message repeats a part of the
URL, which may be a password.
"""

import re
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

SCHEMES = ("redis+sentinel", "rediss+sentinel")
_PORT = 26379
_ADDRESS = re.compile(r"(?P<host>[\w.-]+|\[[0-9a-fA-F:.]+\])(?::(?P<port>[0-9]{1,5}))?")
_OPTIONS = ("sentinel_username", "sentinel_password")
_FORM = "write it as redis+sentinel://:PASSWORD@HOST:PORT,HOST:PORT/SERVICE, or with /SERVICE/DATABASE"


class Sentinels(msgspec.Struct, frozen=True):
    """Where the sentinels are, what they call the primary, and how to log in to the servers and to them."""

    addresses: tuple[tuple[str, int], ...]
    service: str
    db: int = 0
    tls: bool = False
    username: str | None = None
    password: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = None

    def __repr__(self) -> str:
        """Show no password."""
        return f"Sentinels({self.service!r})"


def sentinels(url: str) -> Sentinels | None:
    """Read such a URL; None for one of another kind. Raises ValueError with what to write instead."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        return None
    credentials, _, hosts = parts.netloc.rpartition("@")
    username, colon, password = credentials.partition(":")
    if credentials and not colon:
        raise ValueError("names a user and no password: put a colon before what is the password, as in :PASSWORD@")
    service, _, db = parts.path.removeprefix("/").partition("/")
    if not service or not re.fullmatch("[0-9]*", db, re.ASCII):
        raise ValueError(f"must name the service that the sentinels watch: {_FORM}")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if set(options) - set(_OPTIONS):
        raise ValueError("takes no options but ?sentinel_username=… and ?sentinel_password=…")
    return Sentinels(
        tuple(map(_address, hosts.split(","))),
        unquote(service),
        int(db or 0),
        parts.scheme.startswith("rediss"),
        unquote(username) or None,
        unquote(password) or None,
        **options,
    )


def _address(text: str) -> tuple[str, int]:
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"] or _PORT) > 65535:  # noqa: PLR2004 - the last port there is
        raise ValueError(f"must name each sentinel by host and port: {_FORM}")
    return match["host"].strip("[]"), int(match["port"] or _PORT)
