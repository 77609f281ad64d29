"""Reading a webhook's raw body, within limits."""

import asyncio

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from service.errors import BusyError, ServiceError

MAX_BODY_BYTES = 1024 * 1024
BODY_TIMEOUT_S = 10.0
# Chunks of 128 bytes on average: parsing one costs as much as a kilobyte of a body.
MAX_CHUNKS = 8192
# Nobody has vouched for them yet: of a dyno's memory they get a part.
MAX_HELD_BYTES = 64 * 1024 * 1024


class BodyReader:
    """Reads bodies for one process, and bounds what it holds of those that are not complete yet."""

    def __init__(self) -> None:
        self._held = 0

    async def read(self, request: web.Request) -> bytes:
        """Read the whole body, as sent: the signature is over these bytes.

        Raises ServiceError: 413 over MAX_BODY_BYTES or MAX_CHUNKS, 415 for a compressed body, 408 if it is not complete
        within BODY_TIMEOUT_S, 400 if its transfer is malformed or broken off, 503 over MAX_HELD_BYTES of all bodies
        together.
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
                return await self._read(request)
        except TimeoutError:
            message = f"the body was not complete within {BODY_TIMEOUT_S:g} s"
            raise ServiceError(408, "body_timeout", message, close=True) from None
        except (aiohttp.ClientError, HttpProcessingError, web.RequestPayloadError, ConnectionError):
            raise ServiceError(400, "bad_body", "the body is malformed or was broken off", close=True) from None

    async def _read(self, request: web.Request) -> bytes:
        pieces: list[bytes] = []
        size = chunks = 0
        try:
            async for piece, ends_chunk in request.content.iter_chunks():
                size += len(piece)
                self._held += len(piece)
                chunks += ends_chunk
                if size > MAX_BODY_BYTES:
                    raise _too_large()
                if chunks > MAX_CHUNKS:
                    raise ServiceError(413, "body_too_large", f"the body has more than {MAX_CHUNKS} chunks", close=True)
                if self._held > MAX_HELD_BYTES:
                    raise BusyError
                pieces.append(piece)
            return b"".join(pieces)
        finally:
            self._held -= size


def _is_plain(request: web.Request) -> bool:
    """Tell whether the body is sent as it is: in no coding, and for its transfer cut into chunks at most."""
    headers = request.headers
    if headers.get("Transfer-Encoding", "chunked").lower() != "chunked":
        return False
    if "Content-Encoding" not in headers:
        return True
    return all(coding.strip().lower() in ("", "identity") for coding in headers.getall("Content-Encoding"))


def _too_large() -> ServiceError:
    return ServiceError(413, "body_too_large", f"the body is larger than {MAX_BODY_BYTES} bytes", close=True)
