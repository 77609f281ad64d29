"""Who may come in: several tokens for reading, and the webhook's secret in a header of its own."""

import hmac
import re

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from structlog.testing import capture_logs

from mirror.storage.store import Store
from mirror.tokens import Scope
from service.app_keys import SETTINGS
from service.auth import authorize
from service.errors import ServiceError
from tests.conftest import StartService
from tests.service.support import START, apply, error_of, exchange, head, inbox_of
from tests.support import API_TOKEN, READ, SIGNER, WEBHOOK, Client, make_body, make_review, make_settings, send

BODY = make_body(make_review())
SECRET = "9fa91de19"
NOT_FOUND = (404, "not_found")
UNAUTHORIZED = (401, "unauthorized")
PATHS = ("/reviews", "/reviews/34", "/reviews/34/changes")


# Tokens


@pytest.mark.parametrize("path", PATHS)
async def test_without_a_token_set_the_read_api_is_closed(start_service: StartService, path: str) -> None:
    service = await start_service(API_TOKEN="")
    for headers in ({}, READ, {"Authorization": "Bearer "}):
        assert await error_of(await service.get(path, headers=headers)) == (403, "read_api_closed")


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Bearer {API_TOKEN}x",
        f"Bearer {API_TOKEN[:-1]}",
        f"Bearer {API_TOKEN.upper()}",
        f"Bearer {API_TOKEN} more",
        f"Basic {API_TOKEN}",
        f"Bearer{API_TOKEN}",
        API_TOKEN,
        "Bearer é",
    ],
)
async def test_without_the_token_nothing_is_told(service: Client, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    for path in ("/reviews", "/reviews/34", "/reviews/34/changes", "/reviews/x", "/reviews?limit=0"):
        answer = await service.get(path, headers=headers)
        assert await error_of(answer) == (401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="reviewmirror"'


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_may_be_written_in_any_case(service: Client, scheme: str) -> None:
    assert (await service.get("/reviews", headers={"Authorization": f"{scheme} {API_TOKEN}"})).status == 200


async def test_each_of_several_tokens_opens_the_read_api_and_nothing_in_between(start_service: StartService) -> None:
    service = await start_service(API_TOKEN="old-token, new-token")
    for token in ("old-token", "new-token"):
        assert (await service.get("/reviews", headers={"Authorization": f"Bearer {token}"})).status == 200
    for token in (
        "old-token, new-token",
        "old-token,new-token",
        "old-token,",
        ",",
        "",
        "new-tokenold-token",
        API_TOKEN,
    ):
        answer = await service.get("/reviews", headers={"Authorization": f"Bearer {token}"})
        assert await error_of(answer) == UNAUTHORIZED


async def test_a_token_that_was_taken_out_opens_nothing_any_more(start_service: StartService) -> None:
    old, both, new = [await start_service(API_TOKEN=tokens) for tokens in ("old", "old,new", "new")]
    opened = [
        [
            (await service.get("/reviews", headers={"Authorization": f"Bearer {token}"})).status
            for token in ("old", "new")
        ]
        for service in (old, both, new)
    ]
    assert opened == [[200, 401], [200, 200], [401, 200]]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ["token", "access_token", "api_token", "key", "API_TOKEN", "Authorization"])
async def test_a_token_in_the_url_is_never_accepted(service: Client, path: str, name: str) -> None:
    assert await error_of(await service.get(path, params={name: API_TOKEN})) == UNAUTHORIZED
    assert await error_of(await service.get(path, params={name: f"Bearer {API_TOKEN}"})) == UNAUTHORIZED
    refused = await service.get(path, params={name: API_TOKEN}, headers=READ)
    assert await error_of(refused) == (400, "bad_parameter")
    assert API_TOKEN not in await refused.text()


@pytest.mark.parametrize("userinfo", [f":{API_TOKEN}@", f"{API_TOKEN}@"])
async def test_a_token_as_the_password_of_a_url_is_not_accepted(service: Client, userinfo: str) -> None:
    target = f"http://{userinfo}{service.host}:{service.port}/reviews"
    answer = await exchange(service, head(0, target, "GET"))
    assert answer.status in {400, 401}


async def test_two_authorizations_are_as_good_as_none_also_when_one_is_right(service: Client) -> None:
    for others in ("Bearer x", f"Bearer {API_TOKEN}", ""):
        answer = await exchange(service, head(0, "/reviews", "GET", **READ, authorization=others))
        assert (answer.status, answer.json["error"]["code"]) == UNAUTHORIZED


async def test_a_token_in_a_cookie_or_in_another_header_is_not_accepted(service: Client) -> None:
    for name in ("Cookie", "X-API-Token", "X-APIKey", "X-Webhook-Secret", "Proxy-Authorization"):
        assert await error_of(await service.get("/reviews", headers={name: f"Bearer {API_TOKEN}"})) == UNAUTHORIZED


@pytest.mark.parametrize(
    "raw", [b"Bearer \xff", b"Bearer \xed\xa0\x80", b"Bearer \xc3\xa9", b"\xff a-token", b"Bearer\ta"]
)
async def test_an_authorization_in_no_known_encoding_is_refused(service: Client, raw: bytes) -> None:
    request = head(0, "/reviews", "GET").removesuffix(b"\r\n") + b"Authorization: " + raw + b"\r\n\r\n"
    answer = await exchange(service, request)
    assert (answer.status, answer.json["error"]["code"]) == UNAUTHORIZED


async def test_a_token_is_compared_with_each_in_constant_time_also_when_the_first_is_right(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[bytes] = []

    def compare(given: bytes, secret: bytes) -> bool:
        compared.append(secret)
        return given == secret

    service = await start_service(API_TOKEN="one,two,three", PARTOO_WEBHOOK_SECRET=SECRET)
    monkeypatch.setattr(hmac, "compare_digest", compare)
    for token in ("one", "three", "four", ""):
        await service.get("/reviews", headers={"Authorization": f"Bearer {token}"})
        assert compared == [b"one", b"two", b"three"]
        compared.clear()
    await send(service, BODY, f"{WEBHOOK}/wrong")
    await send(service, BODY, f"{WEBHOOK}?key=wrong")
    await send(service, BODY, X_Webhook_Secret="wrong")
    assert compared == [SECRET.encode()] * 3


async def test_no_answer_tells_which_software_gives_it(service: Client) -> None:
    answers = [await service.get(path) for path in ("/healthz", "/reviews", "/nothing", "/metrics", "/openapi.json")]
    answers.append(await send(service, BODY))
    headers = [*(answer.headers for answer in answers), (await exchange(service, b"no HTTP\r\n\r\n")).headers]
    for each in headers:
        assert each["Server"] == "reviewmirror"
        assert not {"python", "aiohttp"} & {word for value in each.values() for word in re.split(r"\W", value.lower())}


def request_with(token: str, **variables: str) -> web.Request:
    app = web.Application()
    app[SETTINGS] = make_settings(**variables)
    return make_mocked_request("POST", "/", headers={"Authorization": f"Bearer {token}"}, app=app)


def test_a_token_without_the_scope_is_refused() -> None:
    tokens = "jane:operate:jane-token,shop:read:shop-token,plain-token"
    with pytest.raises(ServiceError) as refused:
        authorize(request_with("shop-token", API_TOKEN=tokens), Scope.OPERATE)
    assert (refused.value.status, refused.value.code) == (403, "forbidden_scope")
    assert "shop-token" not in refused.value.message
    for token, name in (("jane-token", "jane"), ("plain-token", "token")):
        for scope in Scope:
            assert authorize(request_with(token, API_TOKEN=tokens), scope).name == name


async def test_a_named_token_opens_the_read_api_without_its_name(start_service: StartService) -> None:
    service = await start_service(API_TOKEN="shop:read:shop-token,jane:operate:jane-token")
    for token, status in (("shop-token", 200), ("jane-token", 200), ("shop:read:shop-token", 401), ("shop", 401)):
        assert (await service.get("/reviews", headers={"Authorization": f"Bearer {token}"})).status == status


async def test_each_read_of_personal_data_is_one_line_with_the_tokens_name(
    start_service: StartService, store: Store
) -> None:
    service = await start_service(API_TOKEN="shop:read:shop-token")
    headers = {"Authorization": "Bearer shop-token"}
    await apply(store, (34, START, BODY), (35, START + 1, make_body(make_review(35))))
    at = "2099-01-01T00:00:00.000Z"
    with capture_logs() as lines:
        answers = [
            await service.get(path, headers=headers)
            for path in (
                "/reviews?partner=google_my_business&status=live",
                "/reviews/34",
                f"/reviews/34?at={at}",
                "/reviews/34/changes",
                "/feed?kind=first_seen",
            )
        ]
    assert [answer.status for answer in answers] == [200] * 5
    told = [{name: value for name, value in line.items() if name != "request_id"} for line in lines]
    read = {"event": "api.read", "log_level": "info", "token": "shop", "reviews": 1}
    assert told == [
        read | {"route": "/reviews", "reviews": 2, "partner": "google_my_business", "status": "live"},
        read | {"route": "/reviews/{id}", "review_id": 34},
        read | {"route": "/reviews/{id}", "review_id": 34, "at": at},
        read | {"route": "/reviews/{id}/changes", "review_id": 34},
        read | {"route": "/feed", "reviews": 2, "kind": "first_seen"},
    ]
    assert [line["request_id"] for line in lines] == [answer.headers["X-Request-ID"] for answer in answers]


async def test_an_answer_without_reviews_is_no_read_of_personal_data(service: Client) -> None:
    with capture_logs() as lines:
        for path in ("/reviews", "/reviews/34", "/reviews/34/changes", "/feed", "/stats", "/incidents", "/ratings"):
            await service.get(path, headers=READ)
    assert lines == []


# The webhook's secret


async def test_the_secret_lets_in_as_a_header_of_its_own(start_service: StartService, store: Store) -> None:
    service = await start_service(PARTOO_WEBHOOK_SECRET=SECRET)
    answer = await send(service, BODY, X_Webhook_Secret=SECRET)
    assert (answer.status, (await answer.json())["status"]) == (200, "accepted")
    assert [entry.body for entry in await inbox_of(store, 34)] == [BODY]


@pytest.mark.parametrize(
    "given", ["", "wrong", SECRET[:-1], SECRET + "x", f"{SECRET},{SECRET}", SECRET.upper(), "é", "\udcff"]
)
async def test_with_a_wrong_secret_in_the_header_there_is_nothing_here(start_service: StartService, given: str) -> None:
    service = await start_service(PARTOO_WEBHOOK_SECRET=SECRET)
    raw = given.encode(errors="surrogateescape")
    request = head(len(BODY), X_Partoo_Signature_v1=SIGNER.sign(BODY)).removesuffix(b"\r\n")
    answer = await exchange(service, request + b"X-Webhook-Secret: " + raw + b"\r\n\r\n" + BODY)
    assert (answer.status, answer.json["error"]["code"]) == NOT_FOUND


async def test_of_two_headers_with_a_secret_any_right_one_lets_in(start_service: StartService) -> None:
    service = await start_service(PARTOO_WEBHOOK_SECRET=SECRET)
    two = head(len(BODY), X_Partoo_Signature_v1=SIGNER.sign(BODY), X_Webhook_Secret="wrong", x_webhook_secret=SECRET)
    assert (await exchange(service, two + BODY)).status == 200


@pytest.mark.parametrize("path", [f"{WEBHOOK}/wrong", f"{WEBHOOK}?key=wrong", f"{WEBHOOK}?key=", f"{WEBHOOK}/"])
async def test_the_right_header_lets_in_whatever_the_url_says(start_service: StartService, path: str) -> None:
    service = await start_service(PARTOO_WEBHOOK_SECRET=SECRET)
    assert (await send(service, BODY, path, X_Webhook_Secret=SECRET)).status == 200


async def test_the_api_token_is_not_the_webhooks_secret_nor_the_other_way_round(start_service: StartService) -> None:
    service = await start_service(PARTOO_WEBHOOK_SECRET=SECRET)
    assert await error_of(await send(service, BODY, X_Webhook_Secret=API_TOKEN)) == NOT_FOUND
    assert await error_of(await send(service, BODY, **READ)) == NOT_FOUND
    answer = await service.get("/reviews", headers={"Authorization": f"Bearer {SECRET}"})
    assert await error_of(answer) == UNAUTHORIZED


async def test_with_no_secret_set_the_header_does_not_matter(service: Client) -> None:
    assert (await send(service, BODY, X_Webhook_Secret="any")).status == 200
