"""Arbitrary bytes, bodies, headers and reviews against the running service: never a 5xx, a hang, an open connection."""

import asyncio
import re
import socket
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirror.storage.store import Store
from service.api.openapi import document
from tests.mirror.domain.strategies import JSON
from tests.service.support import START, apply, check_that_nothing_is_open, inbox_of, list_ids, read, request, statuses
from tests.support import READ, SIGNER, WEBHOOK, Client, make_body, make_review

BODY = make_body(make_review())
SIGNATURE = f"X-Partoo-Signature-v1: {SIGNER.sign(BODY)}"
LENGTH = f"Content-Length: {len(BODY)}"
STATUSES = {int(status) for status in document()["paths"][WEBHOOK]["post"]["responses"]}
MEANINGFUL = [
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b":",
    b"\x00",
    b"\xff",
    b"chunked",
    b"0\r\n\r\n",
    b"%00",
    b"/",
    b"?",
    b"9" * 20,
]


def talk(port: int, data: bytes) -> bytes:
    """Send bytes, then tell that no more come; return all that is answered until the server hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
        try:
            connection.sendall(data)
            connection.settimeout(0.05)
            answer = _receive(connection)
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(3)
            return answer + _receive(connection, to_the_end=True)
        except ConnectionError:
            return b""


def _receive(connection: socket.socket, *, to_the_end: bool = False) -> bytes:
    """Receive one answer and what came with it, or all until the server hangs up; a server that never does fails."""
    received = b""
    while to_the_end or not re.search(rb"\r\n\r\n.*}$", received, re.DOTALL):
        try:
            piece = connection.recv(1 << 16)
        except TimeoutError:
            assert not to_the_end, "the server neither answers nor hangs up"
            break
        if not piece:
            break
        received += piece
    return received


def mutated(valid: bytes) -> st.SearchStrategy[bytes]:
    """Make requests out of a valid one: some spans of it are replaced, by bytes that mean something to a parser too."""
    pieces = st.binary(max_size=8) | st.sampled_from(
        [
            b"\r\n",
            b"\n",
            b"\r",
            b" ",
            b"\t",
            b":",
            b"\x00",
            b"\xff",
            b"chunked",
            b"0\r\n\r\n",
            b"%00",
            b"/",
            b"?",
            b"#",
            b"9" * 20,
        ]
    )
    edits = st.lists(st.tuples(st.integers(0, len(valid)), st.integers(0, 12), pieces), min_size=1, max_size=3)

    def edit(changes: list[tuple[int, int, bytes]]) -> bytes:
        data = valid
        for place, length, piece in changes:
            data = data[:place] + piece + data[place + length :]
        return data

    return edits.map(edit)


few = settings(
    max_examples=100, deadline=None, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


async def test_whatever_bytes_come_there_is_no_5xx_no_hang_and_no_connection_left_open(hasty: Client) -> None:
    token = f"Authorization: {READ['Authorization']}"
    valid = [
        request(SIGNATURE, LENGTH, body=BODY),
        request(SIGNATURE, "Transfer-Encoding: chunked", body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)),
        request(token, target=b"/reviews/34?at=2025-09-12", method="GET", body=b""),
        request(token, target=b"/reviews?limit=1&partner=%C3%A9", method="GET", body=b""),
    ]

    @few
    @given(st.binary(max_size=300) | st.one_of([mutated(each) for each in valid]))
    def fuzz(data: bytes) -> None:
        assert all(status < 500 for status in statuses(talk(hasty.port or 0, data)))

    await asyncio.to_thread(fuzz)
    await check_that_nothing_is_open(hasty)


async def test_whatever_is_signed_is_acknowledged_and_whatever_is_not_is_refused(hasty: Client) -> None:
    """Every body within the limits: those that are signed get a 200 with a status, others a 401."""

    @few
    @given(st.binary(max_size=2000) | mutated(BODY) | JSON.map(make_body), st.booleans())
    def fuzz(body: bytes, signed: bool) -> None:  # noqa: FBT001 - hypothesis gives it
        signature = SIGNER.sign(body if signed else body + b" ")
        data = request(f"X-Partoo-Signature-v1: {signature}", f"Content-Length: {len(body)}", body=body)
        answer = talk(hasty.port or 0, data)
        assert statuses(answer) == ([200] if signed else [401])
        assert re.search(rb'"status":"(accepted|ignored|dead_letter)"|"code":"signature_wrong"', answer)

    await asyncio.to_thread(fuzz)
    await check_that_nothing_is_open(hasty)


async def test_whatever_stands_in_the_headers_is_answered_as_documented(hasty: Client) -> None:
    values = st.text(st.characters(codec="utf-8"), max_size=100).map(str.encode) | st.binary(max_size=100)

    @few
    @given(
        st.sampled_from(["X-Partoo-Signature-v1", "X-Webhook-Secret", "Content-Encoding", "X-Request-ID", "Expect"]),
        values.map(lambda value: re.sub(rb"[\r\n\x00]", b"", value)),
    )
    def fuzz(name: str, value: bytes) -> None:
        lines: list[str | bytes] = [LENGTH, name.encode() + b": " + value]
        if not name.startswith("X-Partoo"):
            lines.append(SIGNATURE)
        assert set(statuses(talk(hasty.port or 0, request(*lines, body=BODY)))) - {100} <= STATUSES - {500, 503}

    await asyncio.to_thread(fuzz)
    await check_that_nothing_is_open(hasty)


async def test_whatever_review_is_signed_it_can_be_applied_and_read_again(service: Client, store: Store) -> None:
    """What may be odd in a review: any JSON in any field, in a first delivery and in the one after it."""
    deep: Any = 1
    for _ in range(150):
        deep = [deep]
    extremes: list[dict[str, Any]] = [
        {"rating": 10**400, "title": "\x00\u202e\x1b[31m", "": None},
        {"partner": "p" * 10_000, "business_id": "\U0001f600" * 5_000, "state": {"deleted": True}},
        {"partner": 10**300, "business_id": True, "update_date": "0001-01-01T00:00:00+23:59", "delete_date": [1]},
        {"partner": "a:b\n{}", "business_id": "*", "date": "9999-12-31T23:59:59-23:59", "tags": {"a": 1}},
        {"tags": [[[]], None, 1.5e308, {"label": 1}], "state": "deleted", "delete_date": "\u0663"},
        {"x": deep},
    ]
    ids = list(range(len(extremes)))
    for turn in ids:
        reviews = [make_review(one) | extreme for one, extreme in zip(ids, extremes[turn:] + extremes, strict=False)]
        await apply(store, *((one, START + turn, make_body(review)) for one, review in zip(ids, reviews, strict=True)))
    assert await list_ids(service) == ids
    for one in ids:
        assert await inbox_of(store, one) == []
        version = (await read(service, f"/reviews/{one}"))["version"]
        changes = (await read(service, f"/reviews/{one}/changes"))["changes"]
        assert [change["version"] for change in changes] == list(range(version, 0, -1))
        assert (await read(service, f"/reviews/{one}", at=changes[-1]["received_at"]))["version"] == 1
