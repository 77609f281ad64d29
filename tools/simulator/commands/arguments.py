"""Arguments that several commands take, checked where they are read."""

import argparse
import math
from pathlib import Path

from yarl import URL

from tools.simulator.commands import DEFAULT_KEY_FILE
from tools.simulator.errors import UsageError


def add_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--key",
        type=Path,
        default=Path(DEFAULT_KEY_FILE),
        metavar="FILE",
        help="the private key that signs, made by the key command (default: %(default)s)",
    )


def add_secret(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--secret", metavar="S", help="added to the URL as ?key=S (for a secret in the path, write it in the URL)"
    )


def add_seconds(parser: argparse._ActionsContainer, flag: str, default: float, meaning: str) -> None:
    parser.add_argument(
        flag, type=seconds, default=default, metavar="SECONDS", help=f"{meaning} (default: %(default)g)"
    )


def add_share(parser: argparse._ActionsContainer, flag: str, default: float | None, meaning: str) -> None:
    """Add a share from 0 to 1; without a default, the meaning says what holds."""
    shown = "" if default is None else " (default: %(default)g)"
    parser.add_argument(flag, type=_share, default=default, metavar="SHARE", help=f"{meaning}{shown}")


def add_count(parser: argparse._ActionsContainer, flag: str, default: int | None, meaning: str) -> None:
    """Add a whole number, 1 or more; without a default, the meaning says what holds."""
    shown = "" if default is None else " (default: %(default)d)"
    parser.add_argument(flag, type=_count, default=default, metavar="N", help=f"{meaning}{shown}")


def add_number(parser: argparse._ActionsContainer, flag: str, default: float, metavar: str, meaning: str) -> None:
    parser.add_argument(flag, type=_number, default=default, metavar=metavar, help=f"{meaning} (default: %(default)g)")


def webhook_url(text: str, secret: str | None) -> URL:
    """Read the URL that events are posted to. Raises UsageError."""
    url = http_url("--url", text, "posted to")
    return url if secret is None else url.update_query(key=secret)


def http_url(flag: str, text: str, use: str) -> URL:
    """Read an HTTP URL that can be used in this way. Raises UsageError."""
    problem = f'{flag} "{text}": this is not a URL that can be {use}. Write it as http://host:port/path'
    try:
        url = URL(text)
        # As the resolver will: a host that has no such form raises there, far from the person who typed it.
        host = (url.host or "").encode("idna")
    except ValueError:
        raise UsageError(problem) from None
    if url.scheme not in {"http", "https"} or not host or b" " in host:
        raise UsageError(problem)
    return url


def seconds(text: str) -> float:
    return _at_least_0(text, "a number of seconds")


def _number(text: str) -> float:
    return _at_least_0(text, "a number")


def _at_least_0(text: str, what: str) -> float:
    value = _float(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f'"{text}" is not {what}, 0 or more')
    return value


def _share(text: str) -> float:
    value = _float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f'"{text}" is not a share, from 0 to 1')
    return value


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f'"{text}" is not a whole number, 1 or more')
    return int(text)


def _float(text: str) -> float:
    """Read a number; what is none, or is without bounds, becomes -1."""
    try:
        value = float(text)
    except ValueError:
        return -1.0
    return value if math.isfinite(value) else -1.0
