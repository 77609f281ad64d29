"""Reading a webhook's raw body, within limits."""

import asyncio

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from service.errors import ServiceError

MAX_BODY_BYTES = 1024 * 1024
BODY_TIMEOUT_S = 10.0


async def read_body(request: web.Request) -> bytes:
    """Read the whole body, as sent: the signature is over these bytes.

    Raises ServiceError: 413 over MAX_BODY_BYTES, 415 for a compressed body, 408 if it is not complete within
    BODY_TIMEOUT_S, 400 if its transfer is malformed or broken off.
    """
    if not _is_plain(request):
        raise ServiceError(
            415, "unsupported_encoding", "send the body uncompressed, without Content-Encoding", close=True
        )
    length = request.content_length
    if length is not None and length > MAX_BODY_BYTES:
        raise _too_large()
    try:
        if length is not None and request.content.is_eof():
            # The usual case: all of it came with the head, within the length that was checked. Nothing to wait for.
            return request.content.read_nowait()
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await _read(request)
    except TimeoutError:
        message = f"the body was not complete within {BODY_TIMEOUT_S:g} s"
        raise ServiceError(408, "body_timeout", message, close=True) from None
    except (aiohttp.ClientError, HttpProcessingError, web.RequestPayloadError, ConnectionError):
        raise ServiceError(400, "bad_body", "the body is malformed or was broken off", close=True) from None


def _is_plain(request: web.Request) -> bool:
    """Tell whether the body is sent as it is: in no coding, and for its transfer cut into chunks at most."""
    headers = request.headers
    if headers.get("Transfer-Encoding", "chunked").lower() != "chunked":
        return False
    if "Content-Encoding" not in headers:
        return True
    return all(coding.strip().lower() in ("", "identity") for coding in headers.getall("Content-Encoding"))


async def _read(request: web.Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise _too_large()
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large() -> ServiceError:
    return ServiceError(413, "body_too_large", f"the body is larger than {MAX_BODY_BYTES} bytes", close=True)
