"""`rediss://` with a certificate that nobody vouches for, as Heroku's: a TLS proxy stands before a real Redis."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import trustme

from mirror.storage.connection import UNAVAILABLE, connect
from tests.conftest import StartService, running_worker
from tests.process import processes
from tests.support import READ, make_body, make_review, make_settings, send, wait_until


@pytest.fixture
async def tls_url(tmp_path: Path) -> AsyncIterator[str]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("redis.example").configure_cert(context)
    with processes.redis_server(tmp_path) as redis_server:

        async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", redis_server.port)
            pipes = {
                asyncio.create_task(_pipe(reader, inner_writer)),
                asyncio.create_task(_pipe(inner_reader, writer)),
            }
            await asyncio.wait(pipes)

        server = await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        yield f"rediss://:@127.0.0.1:{port}"
        server.close()
        await asyncio.sleep(0.1)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with suppress(OSError):
        writer.close()
        await writer.wait_closed()


async def test_a_self_signed_certificate_is_accepted_with_verification_off(
    tls_url: str, start_service: StartService
) -> None:
    service = await start_service(tls_url, REDIS_TLS_VERIFY="off")
    async with running_worker(make_settings(REDIS_TLS_VERIFY="off"), tls_url):
        assert (await send(service, make_body(make_review()))).status == 200

        async def is_applied() -> bool:
            return (await service.get("/reviews/34", headers=READ)).status == 200

        await wait_until(is_applied)


async def test_a_self_signed_certificate_is_refused_by_default(tls_url: str) -> None:
    client = connect(make_settings(), tls_url)
    with pytest.raises(UNAVAILABLE, match="certificate verify failed"):
        await client.ping()
    await client.aclose(close_connection_pool=True)
