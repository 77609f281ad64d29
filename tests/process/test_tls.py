"""`rediss://` with a certificate that nobody vouches for, as Heroku's: a TLS proxy stands before a real Redis."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trustme

from mirror.storage.connection import connect
from mirror.storage.errors import StorageUnavailableError
from tests.conftest import StartService, running_worker
from tests.process import processes
from tests.support import READ, make_body, make_review, make_settings, send, wait_until


@asynccontextmanager
async def tls_redis(folder: Path, *names: str) -> AsyncIterator[str]:
    """A Redis with a certificate for these names; its URL trusts nobody but the authority that issued it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    with processes.redis_server(folder) as redis_server:

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


@pytest.fixture
async def tls_url(tmp_path: Path) -> AsyncIterator[str]:
    async with tls_redis(tmp_path, "redis.example") as url:
        yield url


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
    with pytest.raises(StorageUnavailableError, match="certificate verify failed"):
        await client.ping()
    await client.aclose(close_connection_pool=True)


async def ping(url: str, authority: Path) -> None:
    client = connect(make_settings(), f"{url}?ssl_ca_certs={authority}")
    try:
        await client.ping()
    finally:
        await client.aclose(close_connection_pool=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_certificate_for_this_name_or_address_is_accepted(tmp_path: Path, host: str) -> None:
    async with tls_redis(tmp_path, host) as url:
        await ping(url.replace("127.0.0.1", host), tmp_path / "ca.pem")


async def test_a_certificate_for_another_name_is_refused_whoever_issued_it(
    tmp_path: Path, start_service: StartService
) -> None:
    async with tls_redis(tmp_path, "redis.example") as url:
        with pytest.raises(StorageUnavailableError, match=r"certificate is not valid for '127.0.0.1'"):
            await ping(url, tmp_path / "ca.pem")
        service = await start_service(f"{url}?ssl_ca_certs={tmp_path / 'ca.pem'}")
        answer = await service.get("/readyz")
        (problem,) = (await answer.json())["problems"]
    assert problem.startswith("Redis does not answer: certificate verify failed: IP address mismatch")
    assert "certificate is not valid for '127.0.0.1': give REDIS_URL the name" in problem
