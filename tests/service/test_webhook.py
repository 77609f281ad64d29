"""`POST /webhooks/partoo`: every row of its contract."""

import asyncio
import base64
import gzip
import re
from collections.abc import AsyncIterator
from io import BytesIO

import msgspec
import pytest
from nacl.signing import SigningKey

import service.webhook.body
from mirror.domain.dead_letters import DeadLetter
from mirror.storage import counters, dead_letters, forgetting, inbox, keys
from mirror.storage.store import Store
from service.server import RUNNER_OPTIONS
from service.webhook.body import MAX_BODY_BYTES
from tests.conftest import StartService
from tests.service.support import error_of, exchange, hang_up, head, inbox_of, read_answer
from tests.support import SIGNER, WEBHOOK, Client, make_body, make_other_event, make_review, send, signed, wait_until
from tools.simulator.keys import Signer

BODY = make_body(make_review())
SIGNATURE = SIGNER.sign(BODY)
OTHER_SIGNER = Signer(SigningKey(bytes(32)))
SECRET = "9fa91de19"
NOT_FOUND = (404, "not_found")


def body_of(size: int) -> bytes:
    return make_body(make_review(content="a" * (size - len(make_body(make_review(content=""))))))


async def chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 100_000):
        yield body[start : start + 100_000]


async def keys_in_use(store: Store) -> list[bytes]:
    """Return the keys in Redis, except for the counters, which every delivery moves."""
    return [key for key in await store.redis.keys() if key != keys.COUNTERS.encode()]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the service wait for a body, and for the rest of one that it refused, a moment only."""
    monkeypatch.setattr(service.webhook.body, "BODY_TIMEOUT_S", 0.15)
    monkeypatch.setitem(RUNNER_OPTIONS, "lingering_time", 0.1)


@pytest.mark.parametrize("event_type", ["review_updated", "review_update", "review_created"])
async def test_an_event_about_a_review_is_accepted_and_waits_in_the_inbox_as_it_was_sent(
    service: Client, store: Store, event_type: str
) -> None:
    body = make_body(make_review(), event_type) + b"  \n"
    answer = await send(service, body)
    assert answer.status == 200
    assert answer.content_type == "application/json"
    said = await answer.json()
    assert said == {"status": "accepted", "delivery_id": said["delivery_id"]}
    assert [(entry.delivery_id, entry.body) for entry in await inbox_of(store, 34)] == [(said["delivery_id"], body)]


@pytest.mark.parametrize("event_type", ["business_updated", "message_created", "lead_received", ""])
async def test_another_event_is_acknowledged_and_ignored_and_does_not_touch_the_mirror(
    service: Client, store: Store, event_type: str
) -> None:
    answer = await send(service, make_other_event(event_type))
    said = await answer.json()
    assert (answer.status, said) == (200, {"status": "ignored", "delivery_id": said["delivery_id"]})
    assert await keys_in_use(store) == []


@pytest.mark.parametrize("body", [BODY, b"not JSON"])
async def test_a_tryout_is_acknowledged_and_does_not_touch_the_mirror(
    service: Client, store: Store, body: bytes
) -> None:
    answer = await send(service, body, X_Partoo_Webhook_Tryout="true")
    said = await answer.json()
    assert (answer.status, said) == (200, {"status": "tryout", "delivery_id": said["delivery_id"]})
    assert await keys_in_use(store) == []


async def test_a_tryout_must_be_signed_like_any_delivery(service: Client) -> None:
    answer = await service.post(WEBHOOK, data=BODY, headers={"X-Partoo-Webhook-Tryout": "true"})
    assert await error_of(answer) == (401, "signature_missing")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "not_json"),
        (b"not JSON", "not_json"),
        (b"\xff\xfe\x00", "not_json"),
        (b'{"type": "review_updated", "payload"', "not_json"),
        (b"[]", "not_an_event"),
        (b'{"type": 1}', "not_an_event"),
        (b'{"type": "review_updated"}', "no_review"),
        (b'{"type": "review_updated", "payload": {"review": []}}', "no_review"),
        (make_body(make_review(id="34")), "bad_review_id"),
        (make_body(make_review(id=...)), "bad_review_id"),
        (make_body(make_review(id=True)), "bad_review_id"),
        (make_body(make_review(id=-1)), "bad_review_id"),
        (make_body(make_review(id=2**63)), "bad_review_id"),
        (make_body(make_review(), "review_deleted"), "unknown_review_event"),
        (make_body(make_review(), "lead_received"), "unknown_review_event"),
        (b'{"type": "review_reply_created", "payload": {"review_id": 34}}', "unknown_review_event"),
        (b'{"type": "x", "payload": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too_deep"),
    ],
)
async def test_a_signed_body_that_cannot_be_decoded_is_acknowledged_and_kept_raw_as_a_dead_letter(
    service: Client, store: Store, body: bytes, code: str
) -> None:
    answer = await send(service, body)
    said = await answer.json()
    assert (answer.status, said) == (200, {"status": "dead_letter", "delivery_id": said["delivery_id"]})
    kept = await store.redis.execute_command("HGET", keys.DEAD_LETTERS, said["delivery_id"])
    letter = msgspec.json.decode(kept, type=DeadLetter)
    assert (letter.delivery_id, letter.code, letter.body) == (said["delivery_id"], code, body)
    assert await dead_letters.count(store) == 1


@pytest.mark.parametrize(
    "body",
    [b"\xef\xbb\xbf" + BODY, BODY.replace(b'"rating":3', b'"rating":NaN'), BODY.replace(b"Castorche", b"\\ud83d")],
)
async def test_a_body_that_only_a_lenient_reading_takes_is_accepted_as_it_was_sent(
    service: Client, store: Store, body: bytes
) -> None:
    assert body != BODY
    answer = await send(service, body)
    assert (await answer.json())["status"] == "accepted"
    assert [entry.body for entry in await inbox_of(store, 34)] == [body]


async def test_every_delivery_has_an_id_of_its_own_also_when_the_bytes_are_the_same(service: Client) -> None:
    ids = [(await (await send(service, BODY)).json())["delivery_id"] for _ in range(20)]
    assert len(set(ids)) == 20
    assert ids[0][:9] == min(ids)[:9]


async def test_a_delivery_without_a_signature_is_refused(service: Client, store: Store) -> None:
    answer = await service.post(WEBHOOK, data=BODY)
    assert await error_of(answer) == (401, "signature_missing")
    assert await keys_in_use(store) == []


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "abc",
        "not base64!",
        "é",
        "\udcff",
        SIGNATURE[:-4],
        SIGNATURE + "AAAA",
        SIGNATURE.rstrip("="),
        SIGNATURE[:40] + " " + SIGNATURE[40:],
        f"v1={SIGNATURE}",
        base64.b64encode(bytes(63)).decode(),
        "A" * 7000,
    ],
)
async def test_a_malformed_signature_is_refused(service: Client, store: Store, signature: str) -> None:
    raw = signature.encode(errors="surrogateescape")
    request = head(len(BODY)).removesuffix(b"\r\n") + b"X-Partoo-Signature-v1: " + raw + b"\r\n\r\n" + BODY
    answer = await exchange(service, request)
    assert (answer.status, answer.json["error"]["code"]) == (401, "signature_malformed")
    assert await keys_in_use(store) == []


@pytest.mark.parametrize(
    "signature",
    [
        SIGNER.sign(BODY + b" "),
        OTHER_SIGNER.sign(BODY),
        base64.b64encode(bytes(64)).decode(),
        base64.b64encode(b"\xff" * 64).decode(),
    ],
)
async def test_a_wrong_signature_is_refused(service: Client, store: Store, signature: str) -> None:
    answer = await service.post(WEBHOOK, data=BODY, headers={"X-Partoo-Signature-v1": signature})
    assert await error_of(answer) == (401, "signature_wrong")
    assert await keys_in_use(store) == []


@pytest.mark.parametrize("second", [SIGNATURE, OTHER_SIGNER.sign(BODY)], ids=["the same", "another"])
async def test_two_signatures_are_refused_even_when_one_is_right(service: Client, second: str) -> None:
    two = head(len(BODY), X_Partoo_Signature_v1=SIGNATURE, x_partoo_signature_V1=second)
    answer = await exchange(service, two + BODY)
    assert (answer.status, answer.json["error"]["code"]) == (401, "signature_malformed")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_another_method_is_refused_with_the_one_that_is_allowed(service: Client, method: str) -> None:
    for path in (WEBHOOK, f"{WEBHOOK}/{SECRET}"):
        answer = await service.request(method, path, data=BODY, headers=signed(BODY))
        assert await error_of(answer) == (405, "method_not_allowed")
        assert answer.headers["Allow"] == "POST"


async def test_a_body_of_exactly_1_mib_is_accepted(service: Client, store: Store) -> None:
    body = body_of(MAX_BODY_BYTES)
    assert len(body) == 1_048_576
    answer = await send(service, body)
    assert (answer.status, (await answer.json())["status"]) == (200, "accepted")
    answer = await service.post(WEBHOOK, data=chunks(body), headers=signed(body))
    assert (answer.status, (await answer.json())["status"]) == (200, "accepted")
    assert [entry.body for entry in await inbox_of(store, 34)] == [body, body]


async def test_a_body_of_one_byte_more_is_refused(service: Client, store: Store) -> None:
    body = body_of(MAX_BODY_BYTES + 1)
    answer = await service.post(WEBHOOK, data=BytesIO(body), headers=signed(body))
    assert await error_of(answer) == (413, "body_too_large")
    assert await keys_in_use(store) == []


async def test_a_chunked_body_of_one_byte_more_is_refused(service: Client, store: Store) -> None:
    body = body_of(MAX_BODY_BYTES + 1)
    answer = await service.post(WEBHOOK, data=chunks(body), headers=signed(body))
    assert await error_of(answer) == (413, "body_too_large")
    assert await keys_in_use(store) == []


@pytest.mark.usefixtures("hasty")
async def test_a_content_length_over_1_mib_is_refused_before_the_body_comes(start_service: StartService) -> None:
    answer = await exchange(await start_service(), head(MAX_BODY_BYTES + 1))
    assert (answer.status, answer.json["error"]["code"]) == (413, "body_too_large")
    assert answer.headers["Connection"] == "close"
    assert answer.closed


@pytest.mark.usefixtures("hasty")
async def test_a_content_length_that_promises_more_than_comes_is_a_body_that_is_not_complete_in_time(
    start_service: StartService, store: Store
) -> None:
    request = head(len(BODY) + 1, X_Partoo_Signature_v1=SIGNATURE)
    answer = await exchange(await start_service(), request, BODY)
    assert (answer.status, answer.json["error"]["code"]) == (408, "body_timeout")
    assert await keys_in_use(store) == []


async def test_a_content_length_that_promises_less_than_comes_cuts_the_body_off_and_is_refused(
    service: Client, store: Store
) -> None:
    answer = await exchange(service, head(len(BODY) - 1, X_Partoo_Signature_v1=SIGNATURE), BODY[:-1], BODY[-1:])
    assert (answer.status, answer.json["error"]["code"]) == (401, "signature_wrong")
    assert await keys_in_use(store) == []


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP", "zstd", "gzip, identity", "x"])
async def test_a_compressed_body_is_refused_also_when_its_bytes_are_signed(
    service: Client, store: Store, encoding: str
) -> None:
    answer = await send(service, gzip.compress(BODY), Content_Encoding=encoding)
    assert await error_of(answer) == (415, "unsupported_encoding")
    assert answer.headers["Connection"] == "close"
    assert await keys_in_use(store) == []


@pytest.mark.parametrize("encoding", ["identity", "Identity"])
async def test_the_identity_encoding_is_accepted(service: Client, encoding: str) -> None:
    answer = await send(service, BODY, Content_Encoding=encoding)
    assert (answer.status, (await answer.json())["status"]) == (200, "accepted")


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    "parts",
    [
        (head(len(BODY), X_Partoo_Signature_v1=SIGNATURE),),
        (head(len(BODY), X_Partoo_Signature_v1=SIGNATURE), BODY[:-1]),
        (head(X_Partoo_Signature_v1=SIGNATURE), b"%x\r\n%b\r\n" % (len(BODY), BODY)),
    ],
    ids=["nothing of it", "all but a byte", "all but the last chunk"],
)
async def test_a_body_that_is_not_complete_in_time_is_refused_and_the_connection_is_closed(
    start_service: StartService, store: Store, parts: tuple[bytes, ...]
) -> None:
    answer = await exchange(await start_service(), *parts)
    assert (answer.status, answer.json["error"]["code"]) == (408, "body_timeout")
    assert answer.headers["Connection"] == "close"
    assert answer.closed
    assert await keys_in_use(store) == []


@pytest.mark.usefixtures("hasty")
async def test_a_body_that_trickles_in_is_refused_although_something_always_comes(start_service: StartService) -> None:
    client = await start_service()
    answer = await exchange(client, head(len(BODY), X_Partoo_Signature_v1=SIGNATURE), *[b" "] * 15)
    assert (answer.status, answer.json["error"]["code"]) == (408, "body_timeout")


async def test_a_malformed_chunk_is_refused(service: Client, store: Store) -> None:
    answer = await exchange(service, head(X_Partoo_Signature_v1=SIGNATURE) + b"no number\r\n" + BODY + b"\r\n0\r\n\r\n")
    assert answer.status == 400
    assert answer.closed
    assert await keys_in_use(store) == []


@pytest.mark.usefixtures("hasty")
async def test_a_malformed_chunk_that_comes_late_ends_like_a_body_that_is_never_complete(
    start_service: StartService, store: Store
) -> None:
    # aiohttp drops the body that it was parsing without a word to its reader.
    chunk = b"%x\r\n%b\r\n" % (len(BODY), BODY)
    answer = await exchange(await start_service(), head(X_Partoo_Signature_v1=SIGNATURE), chunk, b"no number\r\n")
    assert (answer.status, answer.json["error"]["code"]) == (408, "body_timeout")
    assert await keys_in_use(store) == []


async def test_a_chunked_body_is_read_as_it_was_before_it_was_cut_into_chunks(service: Client, store: Store) -> None:
    parts = [b"%x\r\n%b\r\n" % (len(part), part) for part in (BODY[:1], BODY[1:100], BODY[100:])]
    answer = await exchange(service, head(X_Partoo_Signature_v1=SIGNATURE), *parts, b"0\r\n\r\n")
    assert (answer.status, answer.json["status"]) == (200, "accepted")
    assert [entry.body for entry in await inbox_of(store, 34)] == [BODY]


async def test_the_secret_lets_in_as_a_path_part_or_as_a_parameter(start_service: StartService) -> None:
    service = await start_service(PARTOO_WEBHOOK_SECRET=SECRET)
    for path in (f"{WEBHOOK}/{SECRET}", f"{WEBHOOK}?key={SECRET}", f"{WEBHOOK}?a=b&key={SECRET}"):
        answer = await send(service, BODY, path)
        assert (answer.status, (await answer.json())["status"]) == (200, "accepted")


ADDRESSES = {
    "a slash at its end": "/webhooks/partoo/",
    "doubled slashes": "//webhooks///partoo",
    "escaped letters": "/webhooks/%70artoo",
    "a whole URL": "http://other.example/webhooks/partoo/",
}


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize("secret", [None, SECRET])
async def test_an_address_written_a_little_differently_is_the_same(
    start_service: StartService, name: str, secret: str | None
) -> None:
    service = await start_service(**({} if secret is None else {"PARTOO_WEBHOOK_SECRET": secret}))
    target = ADDRESSES[name]
    targets = (
        [target] if secret is None else [f"{target}?key={SECRET}", f"{target}/{SECRET}", f"{target}/{SECRET}/a/b/"]
    )
    for one in targets:
        answer = await exchange(service, head(len(BODY), one, X_Partoo_Signature_v1=SIGNATURE) + BODY)
        assert (answer.status, answer.json["status"]) == (200, "accepted")


@pytest.mark.parametrize("path", [f"/wrong?key={SECRET}", f"?key=wrong&key={SECRET}", f"/{SECRET}?key=", f"/{SECRET}/"])
async def test_any_right_secret_lets_in_whatever_stands_beside_it(start_service: StartService, path: str) -> None:
    service = await start_service(PARTOO_WEBHOOK_SECRET=SECRET)
    assert (await send(service, BODY, WEBHOOK + path)).status == 200


async def test_while_a_secret_is_rotated_the_old_one_and_the_new_one_let_in(start_service: StartService) -> None:
    service = await start_service(PARTOO_WEBHOOK_SECRET=f"old, {SECRET}")
    for path, status in (("/old", 200), (f"/{SECRET}", 200), ("?key=old", 200), ("/old,", 404), ("", 404)):
        assert (await send(service, BODY, WEBHOOK + path)).status == status


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/wrong",
        f"/{SECRET}x",
        f"/{SECRET[:-1]}",
        f"/more/{SECRET}",
        "/é",
        "/%FF",
        "?key=",
        "?key=wrong",
        "?key=é",
        "?key=%FF",
        f"?key={SECRET}x",
        f"?Key={SECRET}",
    ],
)
async def test_without_the_secret_there_is_nothing_here(start_service: StartService, store: Store, path: str) -> None:
    service = await start_service(PARTOO_WEBHOOK_SECRET=SECRET)
    assert await error_of(await send(service, BODY, WEBHOOK + path)) == NOT_FOUND
    assert await keys_in_use(store) == []


async def test_who_does_not_know_the_secret_does_not_learn_whether_the_signature_is_right(
    start_service: StartService,
) -> None:
    service = await start_service(PARTOO_WEBHOOK_SECRET=SECRET)
    answer = await service.post(f"{WEBHOOK}/wrong", data=BODY)
    assert await error_of(answer) == NOT_FOUND
    answer = await service.post(f"{WEBHOOK}/{SECRET}", data=BODY)
    assert await error_of(answer) == (401, "signature_missing")


@pytest.mark.parametrize("path", [f"/{SECRET}", f"/{SECRET}/more", f"?key={SECRET}"])
async def test_with_no_secret_set_one_in_the_url_does_not_matter(service: Client, path: str) -> None:
    assert (await send(service, BODY, WEBHOOK + path)).status == 200


async def test_any_of_several_public_keys_may_verify(start_service: StartService) -> None:
    service = await start_service(PARTOO_PUBLIC_KEYS=f"{OTHER_SIGNER.public_key},{SIGNER.public_key}")
    for signer in (SIGNER, OTHER_SIGNER):
        answer = await service.post(WEBHOOK, data=BODY, headers={"X-Partoo-Signature-v1": signer.sign(BODY)})
        assert (answer.status, (await answer.json())["status"]) == (200, "accepted")
    stranger = Signer.new()
    answer = await service.post(WEBHOOK, data=BODY, headers={"X-Partoo-Signature-v1": stranger.sign(BODY)})
    assert await error_of(answer) == (401, "signature_wrong")


async def test_with_partoos_own_key_a_stranger_is_refused(start_service: StartService) -> None:
    for env in ("production", "sandbox"):
        service = await start_service(PARTOO_PUBLIC_KEYS="", PARTOO_ENV=env)
        assert await error_of(await send(service, BODY)) == (401, "signature_wrong")


async def test_the_request_id_is_ours_whatever_the_client_sends(service: Client) -> None:
    ids = []
    for theirs in ("theirs", "a" * 1000, "ünprintable"):
        answer = await send(service, BODY, X_Request_ID=theirs)
        assert answer.status == 200
        ids.append(answer.headers["X-Request-ID"])
    assert len(set(ids)) == 3
    assert all(re.fullmatch("[0-9a-f]{16}", request_id) for request_id in ids)


async def test_requests_that_arrive_in_one_packet_are_answered_in_order(service: Client, store: Store) -> None:
    bodies = [make_body(make_review(number=number)) for number in range(10)]
    reader, writer = await asyncio.open_connection(service.host, service.port)
    writer.writelines(head(len(body), X_Partoo_Signature_v1=SIGNER.sign(body)) + body for body in bodies)
    answers = [await read_answer(reader) for _ in bodies]
    await hang_up(writer)
    assert [answer.status for answer in answers] == [200] * 10
    ids = [answer.json["delivery_id"] for answer in answers]
    assert [(entry.delivery_id, entry.body) for entry in await inbox_of(store, 34)] == list(
        zip(ids, bodies, strict=True)
    )


@pytest.mark.usefixtures("worker")
async def test_a_body_about_a_forgotten_review_that_cannot_be_decoded_is_not_kept(
    service: Client, store: Store
) -> None:
    await forgetting.demand(store, [34])

    async def forgotten() -> bool:
        return not await forgetting.not_forgotten(store, [34])

    await wait_until(forgotten)
    body = make_body(make_review(34)) + b"and what is no JSON"
    answer = await send(service, body)
    assert (answer.status, (await answer.json())["status"]) == (200, "accepted")
    assert await dead_letters.count(store) == 0

    async def discarded() -> bool:
        return (await counters.read(store)).get("decisions:forgotten") == 2

    await wait_until(discarded)
    assert await inbox.waiting_for(store, 34) == 0
    other = await send(service, body.replace(b'"id":34', b'"id":35'))
    assert (await other.json())["status"] == "dead_letter"
    assert await dead_letters.count(store) == 1
