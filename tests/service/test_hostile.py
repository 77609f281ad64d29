"""Hostile requests over raw sockets: smuggling shapes, odd framing, slow and endless ones.

Each ends, one way or another, with one answer that is no 5xx, and without a connection left open.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import pytest

from mirror.storage.store import Store
from service.webhook import body
from tests.service.support import check_that_nothing_is_open, exchange, inbox_of, statuses
from tests.service.support import request as any_request
from tests.support import SIGNER, Client, make_body, make_review

BODY = make_body(make_review())
SIGNATURE = f"X-Partoo-Signature-v1: {SIGNER.sign(BODY)}"
LENGTH = f"Content-Length: {len(BODY)}"
CHUNKED = "Transfer-Encoding: chunked"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


request = partial(any_request, body=BODY)

# What two servers could read differently: each is refused, and what stands behind it is not taken for a request.
REFUSED = {
    "a length and chunks": request(SIGNATURE, LENGTH, CHUNKED, body=CHUNKS),
    "chunks and a length": request(SIGNATURE, CHUNKED, LENGTH, body=CHUNKS),
    "two lengths": request(SIGNATURE, LENGTH, f"Content-Length: {len(BODY) + 1}"),
    "the same length twice": request(SIGNATURE, LENGTH, LENGTH),
    "a list of lengths": request(SIGNATURE, f"{LENGTH}, {len(BODY)}"),
    "a length with a sign": request(SIGNATURE, f"Content-Length: +{len(BODY)}"),
    "a length in hexadecimal": request(SIGNATURE, f"Content-Length: {len(BODY):#x}"),
    "a length with more behind it": request(SIGNATURE, f"{LENGTH} x"),
    "a length in other digits": request(SIGNATURE, "Content-Length: ٣"),
    "a length beyond 64 bits": request(SIGNATURE, "Content-Length: " + "9" * 50),
    "an empty length": request(SIGNATURE, "Content-Length: "),
    "a coding that only looks like chunks": request(SIGNATURE, "Transfer-Encoding: xchunked", body=CHUNKS),
    "chunks that are not the last coding": request(SIGNATURE, "Transfer-Encoding: chunked, identity", body=CHUNKS),
    "a coding for the transfer in a header of its own": request(
        SIGNATURE, "Transfer-Encoding: gzip", CHUNKED, body=CHUNKS
    ),
    "chunks in chunks": request(SIGNATURE, CHUNKED, CHUNKED, body=CHUNKS),
    "chunks behind a vertical tab": request(SIGNATURE, b"Transfer-Encoding: \x0bchunked", body=CHUNKS),
    "a blank before the colon": request(SIGNATURE, "Transfer-Encoding : chunked", body=CHUNKS),
    "a folded header": request("X-A: a", " b", SIGNATURE, LENGTH),
    "a folded signature": request(SIGNATURE[:60], "\t" + SIGNATURE[60:], LENGTH),
    "bare line feeds": request(SIGNATURE, LENGTH).replace(b"\r\n", b"\n"),
    "a bare line feed in a header": request(f"X-A: a\n{SIGNATURE}", LENGTH),
    "a bare carriage return in a header": request(f"X-A: a\r{SIGNATURE}", LENGTH),
    "a NUL in a header": request("X-A: a\x00b", SIGNATURE, LENGTH),
    "a header without a name": request(": a", SIGNATURE, LENGTH),
    "a header without a colon": request("abc", SIGNATURE, LENGTH),
    "no host": request(SIGNATURE, LENGTH).replace(b"Host: localhost\r\n", b""),
    "two hosts": request("Host: other", SIGNATURE, LENGTH),
    "an enormous header": request(SIGNATURE, LENGTH, "X-A: " + "a" * 100_000),
    "an enormous name of a header": request(SIGNATURE, LENGTH, "X-" + "a" * 100_000 + ": a"),
    "ten thousand headers": request(SIGNATURE, LENGTH, *(f"X-{number}: a" for number in range(10_000))),
    "a chunk with a bare line feed": request(SIGNATURE, CHUNKED, body=CHUNKS.replace(b"\r\n", b"\n")),
    "an extension with a bare line feed": request(SIGNATURE, CHUNKED, body=CHUNKS.replace(b"\r\n", b";a\n", 1)),
    "a chunk of negative length": request(SIGNATURE, CHUNKED, body=b"-" + CHUNKS),
    "a chunk with a prefix": request(SIGNATURE, CHUNKED, body=b"0x" + CHUNKS),
    "a chunk beyond 64 bits": request(SIGNATURE, CHUNKED, body=b"f" * 30 + CHUNKS),
    "a chunk longer than it says": request(SIGNATURE, CHUNKED, body=CHUNKS.replace(BODY, BODY + b"XX")),
    "a port that is none": request(SIGNATURE, LENGTH, target=b"http://localhost:99999999/webhooks/partoo"),
    "a host that is none": request(SIGNATURE, LENGTH, target=b"http://[::1/webhooks/partoo"),
    "a path without its slash": request(SIGNATURE, LENGTH, target=b"webhooks/partoo"),
    "bytes in the path": request(SIGNATURE, LENGTH, target=b"/webhooks/partoo/\xff"),
    "HTTP 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP 9": request(SIGNATURE, LENGTH).replace(b"HTTP/1.1", b"HTTP/9", 1),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 500,
}
# Odd, and yet there is only one way to read it.
ACCEPTED = {
    "chunks in capitals": request(SIGNATURE, "Transfer-Encoding: CHUNKED", body=CHUNKS),
    "chunks behind a tab": request(SIGNATURE, "Transfer-Encoding:\tchunked", body=CHUNKS),
    "chunks of one byte": request(SIGNATURE, CHUNKED, body=b"".join(b"1\r\n%c\r\n" % c for c in BODY) + b"0\r\n\r\n"),
    "an extension of a chunk": request(SIGNATURE, CHUNKED, body=CHUNKS.replace(b"\r\n", b";a=b\r\n", 1)),
    "a trailer": request(SIGNATURE, CHUNKED, body=CHUNKS[:-2] + b"X-Partoo-Signature-v1: x\r\n\r\n"),
    "a whole URL": request(SIGNATURE, LENGTH, target=b"http://other.example/webhooks/partoo"),
    "a hundred headers": request(SIGNATURE, LENGTH, *(f"X-{number}: a" for number in range(100))),
    "an odd type": request(SIGNATURE, LENGTH, b"Content-Type: multipart/form-data; boundary=\xe9"),
}
COMPRESSED = {
    "a coding behind identity": request(SIGNATURE, LENGTH, "Content-Encoding: identity", "Content-Encoding: gzip"),
    "a coding in a list": request(SIGNATURE, LENGTH, "Content-Encoding: identity, gzip"),
    "a coding for the transfer": request(SIGNATURE, "Transfer-Encoding: gzip, chunked", body=CHUNKS),
}


async def everything(client: Client, parts: Iterable[bytes], patience: float = 3.0) -> bytes:
    """Send what there is until the server hangs up, and return all that it answered; fail if it never does."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    answering = asyncio.create_task(reader.read(-1))
    try:
        async with asyncio.timeout(patience):
            for part in parts:
                writer.write(part)
                await asyncio.wait({answering}, timeout=0.005)
                if answering.done():
                    break
            return await answering
    except ConnectionError:
        return b""
    finally:
        answering.cancel()
        writer.close()


@pytest.mark.parametrize("name", REFUSED)
async def test_what_two_servers_could_read_differently_is_refused_with_all_that_follows(
    hasty: Client, store: Store, name: str
) -> None:
    answers = await everything(hasty, [REFUSED[name] + SMUGGLED])
    assert statuses(answers) == [400]
    assert b'"code":"bad_request"' in answers
    assert await inbox_of(store, 34) == []


@pytest.mark.parametrize("name", ACCEPTED)
async def test_what_is_odd_but_clear_is_read_as_it_is_meant(hasty: Client, store: Store, name: str) -> None:
    assert statuses(await everything(hasty, [ACCEPTED[name] + SMUGGLED])) == [200, 200]
    assert [entry.body for entry in await inbox_of(store, 34)] == [BODY]


@pytest.mark.parametrize("protocol", ["websocket", "h2c", "nothing-that-is-known"])
async def test_behind_an_offer_of_another_protocol_the_connection_is_closed_and_no_answer_is_mistaken(
    hasty: Client, store: Store, protocol: str
) -> None:
    offer = request(SIGNATURE, LENGTH, "Connection: Upgrade", f"Upgrade: {protocol}")
    answers = await everything(hasty, [offer + SMUGGLED])
    assert statuses(answers) == [200]
    assert b"Connection: close" in answers
    assert [entry.body for entry in await inbox_of(store, 34)] == [BODY]


@pytest.mark.parametrize("name", COMPRESSED)
async def test_a_body_in_any_coding_is_refused_however_that_is_told(hasty: Client, store: Store, name: str) -> None:
    answer = await exchange(hasty, COMPRESSED[name])
    assert (answer.status, answer.json["error"]["code"]) == (415, "unsupported_encoding")
    assert await inbox_of(store, 34) == []


@pytest.mark.parametrize("line", [SIGNATURE, SIGNATURE.lower(), SIGNATURE.replace("-", "_")])
async def test_a_signature_is_read_from_its_own_header_alone(hasty: Client, line: str) -> None:
    wrong = "X-Partoo-Signature-v1: " + "A" * 86 + "=="
    answer = await exchange(hasty, request(wrong, line, LENGTH))
    assert answer.json["error"]["code"] == ("signature_wrong" if "_" in line[:8] else "signature_malformed")


@pytest.mark.parametrize("path", [b"/webhooks/partoo", b"/nothing", b"/reviews"])
async def test_a_megabyte_of_one_byte_chunks_is_refused_before_most_of_it_is_parsed(hasty: Client, path: bytes) -> None:
    chunks = b"1\r\na\r\n" * 1_000_000
    started = time.process_time()
    answers = await everything(hasty, [request(SIGNATURE, CHUNKED, target=path, body=b"") + chunks])
    # A reset may overtake the answer: what counts is what it costs.
    assert statuses(answers) in ([], [413 if path == b"/webhooks/partoo" else 404])
    assert time.process_time() - started < 0.5


async def test_as_many_chunks_as_a_body_may_have_are_read_and_one_more_is_not(
    hasty: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n"
    monkeypatch.setattr(body, "MAX_CHUNKS", len(BODY))
    assert (await exchange(hasty, request(SIGNATURE, CHUNKED, body=chunks))).status == 200
    monkeypatch.setattr(body, "MAX_CHUNKS", len(BODY) - 1)
    refused = await exchange(hasty, request(SIGNATURE, CHUNKED, body=chunks))
    assert (refused.status, refused.json["error"]["code"]) == (413, "body_too_large")
    assert len(await inbox_of(store, 34)) == 1


def endless(start: bytes, rest: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: itertools.chain([start], itertools.repeat(rest))


ENDLESS: dict[str, Callable[[], Iterator[bytes]]] = {
    "nothing": lambda: iter(()),
    "a head byte by byte": endless(b"POST / HTTP/1.1\r\nX-A: ", b"a"),
    "headers for ever": endless(b"POST / HTTP/1.1\r\n", b"X-A: a\r\n"),
    "chunks for ever": endless(request(SIGNATURE, CHUNKED, body=b""), b"1\r\na\r\n"),
    "large chunks for ever": endless(request(SIGNATURE, CHUNKED, body=b""), b"20000\r\n%b\r\n" % bytes(0x20000)),
    "an extension for ever": endless(request(SIGNATURE, CHUNKED, body=b"1;a"), b"a"),
    "trailers for ever": endless(request(SIGNATURE, CHUNKED, body=CHUNKS[:-2]), b"X-A: a\r\n"),
    "a body byte by byte": endless(request(SIGNATURE, "Content-Length: 1000000", body=b""), b"a"),
    "a body that nobody asked for": endless(
        request("Content-Length: 1000000000", method="GET", target=b"/healthz", body=b""), bytes(9999)
    ),
    "a body after a refusal": endless(request(CHUNKED, target=b"/nothing", body=b""), b"1\r\na\r\n"),
}


@pytest.mark.parametrize("name", ENDLESS)
async def test_what_never_ends_is_hung_up_on(hasty: Client, store: Store, name: str) -> None:
    answers = await everything(hasty, ENDLESS[name]())
    assert all(status < 500 for status in statuses(answers))
    assert len(statuses(answers)) <= 1
    assert await inbox_of(store, 34) == []
    await check_that_nothing_is_open(hasty)


async def test_bodies_that_never_end_take_a_bounded_part_of_the_memory(
    service: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "MAX_HELD_BYTES", 300_000)
    unfinished = request(SIGNATURE, "Content-Length: 200000", body=b"a" * 199_999)
    held = [await asyncio.open_connection(service.host, service.port) for _ in range(2)]
    try:
        for _, writer in held:
            writer.write(unfinished)
        # One of them is refused, and what it took is free again.
        answers = [asyncio.create_task(reader.read(12)) for reader, _ in held]
        done, waiting = await asyncio.wait(answers, timeout=2, return_when=asyncio.FIRST_COMPLETED)
        assert [answer.result() for answer in done] == [b"HTTP/1.1 503"]
        assert len(waiting) == 1
        # An ordinary delivery is none of them.
        assert (await exchange(service, request(SIGNATURE, LENGTH))).status == 200
        assert (await exchange(service, request(SIGNATURE, CHUNKED, body=CHUNKS))).status == 200
    finally:
        for answer in waiting:
            answer.cancel()
        for _, writer in held:
            writer.close()
