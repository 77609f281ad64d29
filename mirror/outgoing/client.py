"""The HTTP client of outgoing webhooks: it connects to public addresses alone, and follows no redirect."""

import ipaddress
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from mirror.domain.outgoing import Answer, Endpoint, Secret, signatures
from mirror.events import CloudEvent

TIMEOUT_S = 15.0
# An answer's body tells nothing that is used; up to so much of it is read, so that the connection can be used again.
MAX_ANSWER_BYTES = 64 * 1024
LONGEST_RETRY_AFTER_MS = 12 * 3_600_000
_ENCODE = msgspec.json.Encoder().encode


class ForbiddenAddressError(OSError):
    """The host's address is not a public one."""


def is_public(address: str) -> bool:
    """Tell whether an IP address lies in the public internet.

    Loopback, private, link-local, multicast and reserved ones do not, nor does an IPv4 address of those kinds that is
    written as an IPv6 one; so the metadata services of clouds cannot be reached either.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or _nat64(found)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast and not found.is_reserved


def is_private_literal(url: str) -> bool:
    """Tell whether a URL names, as a number, an address that is not public; a name is checked when connecting."""
    try:
        return not is_public(urlsplit(url).hostname or "")
    except ValueError:
        return False


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    # RFC 6052: a gateway connects to the IPv4 address in the last 32 bits.
    is_nat64 = address in ipaddress.IPv6Network("64:ff9b::/96")
    return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF) if is_nat64 else None


class OutgoingClient:
    """Posts events. `allow_private` also lets it connect to addresses that are not public."""

    def __init__(self, *, allow_private: bool, timeout_s: float = TIMEOUT_S) -> None:
        factory: Callable[[Any], socket.socket] = socket_to_anybody if allow_private else socket_to_public
        # No limit over all endpoints: each has a few on its way, and those of one that hangs must not keep others out.
        connector = aiohttp.TCPConnector(limit=0, socket_factory=factory, keepalive_timeout=30)
        self._timeout_s = timeout_s
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"User-Agent": "reviewmirror", "Content-Type": "application/json"},
        )

    async def close(self) -> None:
        await self._session.close()

    async def post(self, endpoint: Endpoint, event: CloudEvent, now: int) -> Answer:
        """Send an event, signed, and tell what became of it; `now` is in ms since 1970 UTC. Raises nothing."""
        return await self.send(endpoint.url, _ENCODE(event), event.id, endpoint.secrets, now)

    async def send(self, url: str, body: bytes, event_id: str, secrets: Sequence[Secret], now: int) -> Answer:
        """Post a body under an id, signed with the secrets, if there are any; as `post` does."""
        timestamp = now // 1000
        headers = {"webhook-id": event_id, "webhook-timestamp": str(timestamp)}
        if secrets:
            headers["webhook-signature"] = signatures(secrets, event_id, timestamp, body, now)
        started = time.monotonic()
        status, error, retry_after = 0, "", 0
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                status = response.status
                retry_after = _retry_after(response.headers.get("Retry-After"), now)
                with suppress(aiohttp.ClientError, TimeoutError):
                    await response.content.read(MAX_ANSWER_BYTES)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as problem:
            error = self._words(problem)
        took = round((time.monotonic() - started) * 1000)
        return Answer(at=now, event=event_id, status=status, took=took, error=error, retry_after=retry_after)

    def _words(self, problem: BaseException) -> str:
        if isinstance(problem, TimeoutError):
            return f"no answer within {self._timeout_s:g} s"
        inner = getattr(problem, "os_error", None) or problem
        return (str(inner) or type(inner).__name__)[:200]


def socket_to_anybody(address: Any) -> socket.socket:
    family, kind, protocol, _, _ = address
    return socket.socket(family, kind, protocol)


def socket_to_public(address: Any) -> socket.socket:
    """Make the socket for a connection to an address, as the name was resolved for this very connection.

    Raises ForbiddenAddressError where it is not public: neither a redirect nor a changed DNS answer gets past this.
    """
    host = address[4][0]
    if not is_public(host):
        raise ForbiddenAddressError(f"{host} is not a public address; OUTGOING_ALLOW_PRIVATE=on allows it")
    return socket_to_anybody(address)


def _retry_after(text: str | None, now: int) -> int:
    """Read a Retry-After, in seconds or as an HTTP date (RFC 9110, 10.2.3), in ms from now; 0 without one."""
    if not text:
        return 0
    wait = 0
    if text.strip().isascii() and text.strip().isdigit():
        wait = int(text.strip()[:9]) * 1000
    else:
        with suppress(ValueError):
            at = parsedate_to_datetime(text)
            wait = round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000) - now
    return min(max(0, wait), LONGEST_RETRY_AFTER_MS)
