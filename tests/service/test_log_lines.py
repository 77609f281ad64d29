"""What the HTTP side writes to the log, and what never stands there."""

import asyncio

import pytest

import service.webhook.batch_writer
import service.webhook.body
from mirror.logs import MAX_LINE_BYTES
from mirror.storage import keys, reads
from mirror.storage.inbox_entries import decode_entry
from mirror.storage.store import Store
from service.server import RUNNER_OPTIONS
from tests.conftest import StartService
from tests.service.conftest import Log, OwnRedis
from tests.service.support import exchange, fail, head
from tests.support import (
    API_TOKEN,
    READ,
    SIGNER,
    WEBHOOK,
    make_body,
    make_deletion,
    make_other_event,
    make_review,
    send,
    signed,
    wait_until,
)

SECRET = "9fa91de19-a-secret"
REVIEW = make_review(title="A-title", phone="0612345678", comments={"content": "Merci-beaucoup"})
BODY = make_body(REVIEW)
PERSONAL = ("Castorche", "vieillot", "A-title", "0612345678", "Merci-beaucoup")


async def test_an_accepted_delivery_has_one_line_that_tells_whose_it_is(log: Log, start_service: StartService) -> None:
    service = await start_service()
    answer = await send(service, BODY)
    [line] = log.of_deliveries()
    assert isinstance(line.pop("ms"), float)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "info",
        "event": "delivery.accepted",
        "request_id": answer.headers["X-Request-ID"],
        "delivery_id": (await answer.json())["delivery_id"],
        "review_id": 34,
        "type": "review_updated",
        "bytes": len(BODY),
        "key": line["key"],
    }


@pytest.mark.parametrize(
    ("body", "headers", "event", "facts"),
    [
        (make_other_event("lead_received"), {}, "delivery.ignored", {"level": "info", "type": "lead_received"}),
        (make_other_event("x" * 5000), {}, "delivery.ignored", {"level": "info", "type": "x" * 100}),
        (BODY, {"X_Partoo_Webhook_Tryout": "1"}, "delivery.tryout", {"level": "info"}),
        (b"not JSON", {}, "delivery.dead_letter", {"level": "warning", "code": "not_json"}),
        (
            make_body(REVIEW, "review_deleted"),
            {},
            "delivery.dead_letter",
            {"level": "warning", "code": "unknown_review_event", "review_id": 34},
        ),
    ],
)
async def test_every_other_delivery_has_one_line_too(  # noqa: PLR0913, PLR0917 - one column each
    log: Log,
    start_service: StartService,
    body: bytes,
    headers: dict[str, str],
    event: str,
    facts: dict[str, str | int],
) -> None:
    answer = await send(await start_service(), body, **headers)
    [line] = log.of_deliveries()
    assert (line["event"], line["request_id"]) == (event, answer.headers["X-Request-ID"])
    assert line["delivery_id"] == (await answer.json())["delivery_id"]
    assert facts.items() <= line.items()


async def test_a_rejected_delivery_has_one_line_that_says_why(log: Log, start_service: StartService) -> None:
    answer = await (await start_service()).post(WEBHOOK, data=BODY)
    [line] = log.of_deliveries()
    assert (line["event"], line["level"], line["status"], line["code"], line["request_id"]) == (
        "delivery.rejected",
        "warning",
        401,
        "signature_missing",
        answer.headers["X-Request-ID"],
    )


async def test_a_delivery_refused_because_redis_is_away_has_one_line_of_its_own_too(
    log: Log, start_service: StartService, dead_url: str
) -> None:
    answer = await send(await start_service(dead_url), BODY)
    assert answer.status == 503
    lines = log.lines(lambda line: line.get("request_id") == answer.headers["X-Request-ID"])
    assert [(line["event"], line.get("status"), line.get("code")) for line in lines] == [
        ("delivery.rejected", 503, "unavailable")
    ]
    [line] = lines
    assert (line["review_id"], line["type"]) == (34, "review_updated")


async def test_what_was_stored_although_it_was_refused_leads_to_the_line_of_its_refusal(
    log: Log, start_service: StartService, hung_redis: OwnRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.webhook.batch_writer, "DEADLINE_S", 0.2)
    client = await start_service(hung_redis.url)
    assert (await send(client, BODY)).status == 200
    hung_redis.hang()
    assert (await send(client, BODY)).status == 503
    hung_redis.resume()
    inbox = keys.inbox(34)
    await wait_until(lambda: asyncio.to_thread(lambda: hung_redis.client.llen(inbox) == 2))
    [refused] = log.lines(lambda line: line["event"] == "delivery.rejected")
    entry = decode_entry(hung_redis.client.lrange(inbox, -1, -1)[0])
    assert refused["delivery_id"] == entry.delivery_id


async def test_of_what_nobody_vouches_for_no_fact_is_logged(log: Log, start_service: StartService) -> None:
    await send(await start_service(), BODY, X_Partoo_Signature_v1=SIGNER.sign(b"something else"))
    [line] = log.of_deliveries()
    assert (line["code"], {"delivery_id", "review_id", "type", "key"} & line.keys()) == ("signature_wrong", set())


async def test_requests_do_not_lend_each_other_their_ids(log: Log, start_service: StartService) -> None:
    service = await start_service()
    answers = [
        await send(service, make_body(make_review(number)), X_Request_ID=f"theirs-{number}") for number in (1, 2)
    ]
    answers.append(await send(service, make_body(make_review(3))))
    lines = log.of_deliveries()
    assert [line["request_id"] for line in lines] == [answer.headers["X-Request-ID"] for answer in answers]
    assert [line.get("upstream_request_id") for line in lines] == ["theirs-1", "theirs-2", None]


async def test_the_id_that_a_client_sends_is_cut_and_cannot_forge_a_line(log: Log, start_service: StartService) -> None:
    await send(await start_service(), BODY, X_Request_ID='"},{"event":"é ' + "a" * 5000)
    [line] = log.of_deliveries()
    assert line["upstream_request_id"] == '"},{"event":"' + "a" * (64 - 15)


@pytest.mark.usefixtures("worker")
async def test_neither_bodies_nor_signatures_nor_secrets_nor_personal_data_stand_in_the_log(
    log: Log, start_service: StartService, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.webhook.body, "BODY_TIMEOUT_S", 0.1)
    monkeypatch.setitem(RUNNER_OPTIONS, "lingering_time", 0.1)
    client = await start_service(PARTOO_WEBHOOK_SECRET=SECRET, LOG_LEVEL="debug")
    path = f"{WEBHOOK}/{SECRET}"
    deletion = make_body(make_deletion(REVIEW))
    edited = make_body(REVIEW | {"content": "Castorche vieillot edited", "author_name": "Castorche 2"})
    for body in (BODY, edited, deletion, BODY, BODY[:-2], make_other_event("lead_received")):
        assert (await send(client, body, path)).status == 200
    await send(client, BODY, f"{WEBHOOK}?key={SECRET}")
    await send(client, BODY, f"{WEBHOOK}/{SECRET}x")
    await send(client, BODY, path, Content_Encoding="gzip")
    await client.post(path, data=BODY, headers={"X-Partoo-Signature-v1": SIGNER.sign(b"another")})
    await exchange(client, head(len(BODY), path, X_Partoo_Signature_v1=SIGNER.sign(BODY)), BODY[:-1])
    await client.get(path)

    async def applied() -> bool:
        answer = await client.get("/reviews/34/changes", headers=READ)
        return answer.status == 200 and len((await answer.json())["changes"]) >= 4

    await wait_until(applied)
    await client.get("/reviews/34", headers={"Authorization": f"Bearer {API_TOKEN}x"})
    await store.redis.set(keys.record(34), BODY)
    assert (await client.get("/reviews/34", headers=READ)).status == 500
    assert len(log.of_deliveries()) == 11
    never = (*PERSONAL, SECRET, API_TOKEN, SIGNER.sign(BODY)[:40], SIGNER.sign(b"another")[:40], '"payload"')
    assert [word for word in never if word in log.text] == []


@pytest.mark.parametrize(
    ("method", "path", "mistake", "shown"),
    [
        ("POST", "/webhooks", "path", "/webhooks"),
        ("POST", f"/webhooks/{SECRET}", "path", "/webhooks/…"),
        ("POST", f"/webhooks/google/{SECRET}/", "path", "/webhooks/…/…"),
        ("POST", f"/hooks/partoo?key={SECRET}", "path", "/…/partoo"),
        ("PUT", f"/webhooks/partoo/{SECRET}", "method", "/webhooks/partoo/…"),
        ("POST", f"/webhooks/partoo/{SECRET}x", "secret", "/webhooks/partoo/…"),
        ("POST", f"/webhooks/partoo?key={SECRET}x", "secret", "/webhooks/partoo"),
    ],
)
async def test_a_delivery_at_a_wrong_address_is_told_and_counted_without_the_secret(  # noqa: PLR0913, PLR0917 - one column each
    log: Log, start_service: StartService, method: str, path: str, mistake: str, shown: str
) -> None:
    service = await start_service(PARTOO_WEBHOOK_SECRET=SECRET)
    answer = await service.request(method, path, data=BODY, headers=signed(BODY))
    assert answer.status == (405 if mistake == "method" else 404)
    [line] = log.of_deliveries()
    assert (line["event"], line["level"], line["path"], line["signed"]) == ("delivery.rejected", "warning", shown, True)
    assert (line["method"], line["status"]) == (method, answer.status)
    assert SECRET not in log.text

    async def counted() -> bool:
        text = await (await service.get("/metrics")).text()
        return f'reviewmirror_refused_requests_total{{reason="{mistake}"}} 1.0' in text

    await wait_until(counted)


async def test_what_is_no_delivery_is_not_told_of(log: Log, start_service: StartService) -> None:
    service = await start_service(PARTOO_WEBHOOK_SECRET=SECRET)
    for method, path, status in (("GET", WEBHOOK, 405), ("GET", "/webhooks", 404), ("POST", "/nothing", 404)):
        assert (await service.request(method, path)).status == status
    assert log.of_deliveries() == []


async def test_the_secret_does_not_stand_in_the_log_while_redis_is_away(
    log: Log, start_service: StartService, dead_url: str
) -> None:
    service = await start_service(dead_url, PARTOO_WEBHOOK_SECRET=SECRET)
    for path in (f"{WEBHOOK}/{SECRET}", f"{WEBHOOK}?key={SECRET}"):
        assert (await send(service, BODY, path)).status == 503
    assert len(log.lines()) > 0
    assert SECRET not in log.text


@pytest.mark.parametrize(
    "request_bytes",
    [
        head(0).removesuffix(b"\r\n") + b"X-Partoo-Signature-v1: a-signature\x00\r\n\r\n",
        head(0).removesuffix(b"\r\n") + b"Authorization : Bearer a-signature\r\n\r\n",
        head() + b'{"review": "a-signature"}\r\n',
        f"POST {WEBHOOK}/a-signature\x7f HTTP/1.1\r\n\r\n".encode(),
    ],
    ids=["a header's value", "a header's name", "a body", "a path"],
)
async def test_what_a_malformed_request_holds_does_not_stand_in_the_log(
    log: Log, start_service: StartService, request_bytes: bytes
) -> None:
    answer = await exchange(await start_service(), request_bytes)
    assert answer.status == 400
    assert "a-signature" not in log.text


async def test_no_line_is_longer_than_8_kb_and_every_line_is_json(
    log: Log, start_service: StartService, store: Store
) -> None:
    service = await start_service()
    await store.redis.set(keys.record(34), b"garbage")
    await service.get("/reviews/34", headers=READ)
    await service.get("/" + "a" * 8000, headers={"X-Request-ID": "é" * 3000})
    await send(service, make_other_event("\x00é" * 50_000), X_Request_ID="b" * 7000)
    await service.post(WEBHOOK, data=BODY, headers={"X-Partoo-Signature-v1": "A" * 7000})
    assert [line["event"] for line in log.lines(lambda line: "request_id" in line)] == [
        "record.corrupt",
        "delivery.ignored",
        "delivery.rejected",
    ]
    assert max(len(line.encode()) for line in log.text.splitlines()) <= MAX_LINE_BYTES


async def test_an_unforeseen_error_is_logged_with_its_traceback(
    log: Log, start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "record", fail)
    service = await start_service()
    answer = await service.get("/reviews/34", headers=READ)
    [line] = log.lines(lambda line: line["event"] == "request.failed")
    assert (line["level"], line["request_id"]) == ("error", answer.headers["X-Request-ID"])
    assert "LookupError" in line["exception"]
