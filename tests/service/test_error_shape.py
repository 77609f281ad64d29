"""Every error that the project answers has the same shape."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from aiohttp import ClientResponse

import service.webhook.body
from mirror.storage import keys, reads
from mirror.storage.store import Store
from service.server import RUNNER_OPTIONS
from tests.conftest import StartService
from tests.service.support import RawAnswer, exchange, fail, head
from tests.support import READ, WEBHOOK, Client, make_body, make_review, send

BODY = make_body(make_review())

Ask = Callable[[Client], Awaitable[ClientResponse | RawAnswer]]

REQUESTS: dict[str, tuple[int, str, Ask]] = {
    "bad parameter": (400, "bad_parameter", lambda client: client.get("/reviews?limit=0", headers=READ)),
    "no token": (401, "unauthorized", lambda client: client.get("/reviews")),
    "no signature": (401, "signature_missing", lambda client: client.post(WEBHOOK, data=BODY)),
    "malformed signature": (
        401,
        "signature_malformed",
        lambda client: client.post(WEBHOOK, data=BODY, headers={"X-Partoo-Signature-v1": "é"}),
    ),
    "wrong signature": (
        401,
        "signature_wrong",
        lambda client: client.post(WEBHOOK, data=BODY, headers={"X-Partoo-Signature-v1": "A" * 86 + "=="}),
    ),
    "no such path": (404, "not_found", lambda client: client.get("/nothing/here")),
    "an odd path": (404, "not_found", lambda client: client.get("/%00/%FF/<script>")),
    "a path below the webhooks": (404, "not_found", lambda client: client.post("/webhooks/x", data=BODY)),
    "no such review": (404, "review_not_found", lambda client: client.get("/reviews/1", headers=READ)),
    "no such review at all": (404, "review_not_found", lambda client: client.get("/reviews/x", headers=READ)),
    "wrong method for the webhook": (405, "method_not_allowed", lambda client: client.get(WEBHOOK)),
    "wrong method for the read API": (405, "method_not_allowed", lambda client: client.post("/reviews")),
    "a method of others": (405, "method_not_allowed", lambda client: client.request("PROPFIND", "/healthz")),
    "slow body": (408, "body_timeout", lambda client: exchange(client, head(10))),
    "large body": (413, "body_too_large", lambda client: exchange(client, head(10**9))),
    "compressed body": (
        415,
        "unsupported_encoding",
        lambda client: client.post(WEBHOOK, data=BODY, headers={"Content-Encoding": "gzip"}),
    ),
    "corrupt record": (500, "corrupt_record", lambda client: client.get("/reviews/34", headers=READ)),
    "not ready": (503, "not_ready", lambda client: client.get("/readyz")),
}
MALFORMED = {
    "no HTTP": b"no HTTP at all\r\n\r\n",
    "no method": head(0, method="BREW"),
    "bad header": head(0).removesuffix(b"\r\n") + b"X-A: \x00\r\n\r\n",
    "bad length": head().replace(b"Transfer-Encoding: chunked", b"Content-Length: -1"),
    "two lengths": head(1, Content_Length="2") + b"{}",
    "bad chunk": head() + b"no number\r\n",
    "unknown expectation": head(0, Expect="miracles"),
    "long path": head(0, path="/" + "a" * 10_000),
}


def check_shape(status: int, code: str | None, answer: RawAnswer) -> None:
    assert answer.status == status
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"
    error: dict[str, Any] = answer.json["error"]
    assert set(error) == {"code", "message", "request_id"}
    assert re.fullmatch("[a-z][a-z0-9]*(_[a-z0-9]+)*", error["code"])
    assert code in (None, error["code"])
    assert error["message"].strip()
    assert answer.headers["X-Request-ID"] == error["request_id"]
    assert re.fullmatch("[0-9a-f]{16}", error["request_id"])


async def as_raw(answer: ClientResponse | RawAnswer) -> RawAnswer:
    if isinstance(answer, RawAnswer):
        return answer
    return RawAnswer(answer.status, answer.headers, await answer.read(), closed=False)


@pytest.mark.parametrize("name", REQUESTS)
async def test_every_error_has_the_same_shape(
    start_service: StartService, store: Store, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(service.webhook.body, "BODY_TIMEOUT_S", 0.1)
    monkeypatch.setitem(RUNNER_OPTIONS, "lingering_time", 0.1)
    await store.redis.set(keys.record(34), b"garbage")
    status, code, ask = REQUESTS[name]
    check_shape(status, code, await as_raw(await ask(await start_service())))


@pytest.mark.parametrize("path", ["/reviews", "/reviews/34", "/reviews/34/changes"])
async def test_a_closed_read_api_answers_in_the_same_shape(start_service: StartService, path: str) -> None:
    answer = await (await start_service(API_TOKEN="")).get(path)
    check_shape(403, "read_api_closed", await as_raw(answer))


async def test_without_redis_every_error_has_the_same_shape(start_service: StartService, dead_url: str) -> None:
    client = await start_service(dead_url)
    for path in ("/reviews", "/reviews/34", "/reviews/34/changes"):
        check_shape(503, "unavailable", await as_raw(await client.get(path, headers=READ)))
    for body in (BODY, b"not JSON"):
        check_shape(503, "unavailable", await as_raw(await send(client, body)))


async def test_an_unforeseen_error_tells_nothing_of_what_is_inside(
    service: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "record", fail)
    answer = await as_raw(await service.get("/reviews/34", headers=READ))
    check_shape(500, "internal_error", answer)
    assert b"secret" not in answer.body
    assert b"Traceback" not in answer.body


async def test_after_an_error_the_connection_serves_on(service: Client) -> None:
    for _ in range(3):
        assert (await service.get("/nothing")).status == 404
        assert (await service.get("/healthz")).status == 200


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_not_even_http_is_answered_in_the_same_shape(service: Client, name: str) -> None:
    answer = await exchange(service, MALFORMED[name])
    try:
        msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        pytest.fail(f"{answer.status} is answered with {answer.headers['Content-Type']}: {answer.body[:80]!r}")
    assert 400 <= answer.status < 500
    check_shape(answer.status, None, answer)
