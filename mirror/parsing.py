"""Reading the values of environment variables: each reader raises ValueError with what the text must be."""

import base64
import re
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_LEVELS = ("debug", "info", "warning", "error")
# What other programs call them. Nothing is logged that is graver than an error.
_OTHER_LEVELS = {"trace": "debug", "warn": "warning", "err": "error", "critical": "error", "fatal": "error"}
_SWITCH = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}


def duration(text: str) -> int:
    """Read a duration such as `90s`, `1h` or `7d`, in milliseconds. Raises ValueError."""
    match = re.fullmatch(r"(\d{1,9})(ms|s|m|h|d)", text)
    if match is None:
        raise ValueError(
            "must be a whole number with a unit (ms, s, m, h or d), such as 90s, 1h or 7d; at most nine digits"
        )
    return int(match[1]) * _UNITS_MS[match[2]]


def percentage(text: str) -> float:
    """Read a percentage such as `1%` or `2.5%`, as a share from 0 to 1. Raises ValueError."""
    match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)%", text)
    if match is None or float(match[1]) > 100:  # noqa: PLR2004 - per cent
        raise ValueError("must be a percentage from 0% to 100%, such as 1% or 2.5%")
    return float(match[1]) / 100


def number(lowest: int, highest: int) -> Callable[[str], int]:
    """Make a reader of whole numbers in a range."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text) or not lowest <= int(text) <= highest:
            raise ValueError(f"must be a whole number from {lowest} to {highest}")
        return int(text)

    return parse


def one_of(*choices: str) -> Callable[[str], str]:
    """Make a reader of one of these words, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text.lower()

    return parse


def log_level(text: str) -> str:
    """Read the name of a log level, also as other programs call it. Raises ValueError."""
    return one_of(*_LEVELS)(_OTHER_LEVELS.get(text.lower(), text))


def switch(text: str) -> bool:
    """Read on or off. Raises ValueError."""
    if text.lower() not in _SWITCH:
        raise ValueError("must be on or off")
    return _SWITCH[text.lower()]


def url(text: str) -> str:
    """Read the URL of a web API, without a slash at its end or not. Raises ValueError."""
    parts = _split(text, "must be a valid URL that starts with https:// or http://")
    if re.search(r"\s", text) or parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("must be a URL that starts with https:// or http://")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must be a URL without a user's name, without ? and without #")
    return text


def sentry_dsn(text: str) -> str:
    """Read where Sentry takes errors: https://KEY@HOST/PROJECT. Raises ValueError, which repeats no key."""
    try:
        parts = urlsplit(text)
        sound = parts.scheme in {"https", "http"} and parts.username and parts.hostname and parts.path.strip("/")
    except ValueError:
        sound = None
    if not sound or re.search(r"\s", text):
        raise ValueError("must be a DSN as Sentry shows it: https://KEY@HOST/PROJECT")
    return text


def _split(text: str, problem: str) -> SplitResult:
    """Take a URL apart. Raises ValueError with `problem` where it is none."""
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        raise ValueError(problem) from None
    return parts


def postgres_url(text: str) -> str:
    """Read the URL of a Postgres database; libpq reads its options. Raises ValueError, which repeats no password."""
    parts = _split(text, "must be a valid URL; percent-encode special characters in the password")
    if re.search(r"\s", text) or parts.scheme not in {"postgres", "postgresql"}:
        raise ValueError("must be a URL that starts with postgres:// or postgresql://")
    if not parts.path.strip("/"):
        raise ValueError("must name a database: postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    return text


def webhook_url(text: str) -> str:
    """Read the URL that webhooks are posted to. Raises ValueError, which does not repeat it: it may hold a secret."""
    parts = _split(text, "must be a valid URL that starts with https:// or http://")
    if re.search(r"\s", text) or parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("must be a URL that starts with https:// or http://")
    if parts.fragment or "@" in parts.netloc:
        raise ValueError("must be a URL without a user's name and without #")
    return text


def signing_secret(text: str) -> str:
    """Read a secret that signs Standard Webhooks. Raises ValueError."""
    problem = "must be whsec_ and the base64 of 24 to 64 bytes, such as whsec_ and what `openssl rand -base64 32` gives"
    if not text.startswith("whsec_"):
        raise ValueError(problem)
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        raise ValueError(problem) from None
    if not 24 <= len(key) <= 64:  # noqa: PLR2004 - Standard Webhooks, "Signature scheme"
        raise ValueError(problem)
    return text


def secrets(text: str) -> tuple[str, ...]:
    """Read secrets of the webhook separated by commas. Raises ValueError."""
    try:
        return tuple(_secret(part.strip()) for part in text.split(","))
    except ValueError as error:
        raise ValueError(f"{error}, or several such secrets separated by commas") from None


def _secret(text: str) -> str:
    # It stands in a URL: what would have to be escaped there could be written in two ways.
    if not re.fullmatch(r"[A-Za-z0-9._~-]{1,200}", text):
        raise ValueError("must be 1 to 200 letters, digits or the characters . _ ~ -")
    return text


def token(text: str) -> str:
    """Read a token. Raises ValueError."""
    if not re.fullmatch(r"[!-~]{1,200}", text):
        raise ValueError("must be 1 to 200 printable ASCII characters without spaces")
    return text
