"""Getting in and out: tokens, sessions, cookies, the origin of forms, and who tries too often."""

import re

import pytest

from mirror.storage import keys
from mirror.storage.store import Store
from service.console.security import own_path
from service.console.sessions import ATTEMPTS_OF_ONE
from tests.conftest import StartService
from tests.service.conftest import Log
from tests.service.console.conftest import Visitor, words
from tests.service.support import error_of
from tests.support import API_TOKEN, Client


async def test_the_first_page_leads_to_the_console(service: Client) -> None:
    answer = await service.get("/", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/console")


@pytest.mark.parametrize("path", ["/console", "/console/reviews", "/console/reviews/34?at=2025-09-12T00:00:00Z"])
async def test_whoever_is_not_logged_in_is_led_to_the_login_and_back(service: Client, path: str) -> None:
    visitor = Visitor(service)
    answer = await visitor.get(path)
    assert answer.status == 303
    form = await visitor.page(answer.headers["Location"])
    (back,) = re.findall(r'name="next" value="([^"]*)"', form)
    logged_in = await visitor.post("/console/login", {"token": API_TOKEN, "next": back})
    assert (logged_in.status, logged_in.headers["Location"]) == (303, path)


@pytest.mark.parametrize("token", ["", "wrong", API_TOKEN + "x", "é", "x" * 10_000])
async def test_a_wrong_token_is_told_so_and_opens_nothing(service: Client, token: str) -> None:
    visitor = Visitor(service)
    answer = await visitor.post("/console/login", {"token": token})
    assert answer.status == 401
    assert "none of the tokens" in words(await answer.text())
    assert not answer.cookies
    assert token == "" or token not in await answer.text()


async def test_a_session_s_cookie_is_for_this_site_alone_and_no_script_reads_it(service: Client) -> None:
    answer = await Visitor(service).log_in()
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("rm_session=")
    assert {"HttpOnly", "Path=/", "SameSite=Strict"} <= set(cookie.split("; "))
    assert "Secure" not in cookie


async def test_behind_tls_the_cookie_is_bound_to_the_host(service: Client) -> None:
    visitor = Visitor(service)
    answer = await visitor.post("/console/login", {"token": API_TOKEN}, **{"X-Forwarded-Proto": "https"})
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-rm_session=")
    assert {"HttpOnly", "Path=/", "SameSite=Strict", "Secure"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    visitor.cookie = cookie.partition(";")[0]
    assert (await visitor.get("/console", **{"X-Forwarded-Proto": "https"})).status == 200
    # Over plain HTTP nobody vouches that the cookie is ours.
    assert (await visitor.get("/console")).status == 303


async def test_logging_out_ends_the_session(visitor: Visitor) -> None:
    assert (await visitor.get("/console")).status == 200
    answer = await visitor.post("/console/logout")
    assert (answer.status, answer.headers["Location"]) == (303, "/console/login")
    assert (await visitor.get("/console")).status == 303


async def test_logging_in_again_ends_the_session_before(visitor: Visitor) -> None:
    before = visitor.cookie
    await visitor.log_in()
    assert visitor.cookie != before
    assert (await Visitor(visitor.client, before).get("/console")).status == 303


async def test_a_session_ends_when_its_token_is_withdrawn(start_service: StartService) -> None:
    visitor = Visitor(await start_service(API_TOKEN=f"{API_TOKEN},another-token"))
    await visitor.log_in("another-token")
    assert (await visitor.get("/console")).status == 200
    visitor.client = await start_service(API_TOKEN=API_TOKEN)
    assert (await visitor.get("/console")).status == 303


async def test_a_session_ends_by_itself(visitor: Visitor, store: Store) -> None:
    (name,) = [key async for key in store.redis.scan_iter(match=f"{keys.CONSOLE_SESSION_PREFIX}*")]
    assert 0 < await store.redis.pttl(name) <= keys.CONSOLE_SESSION_MS
    await store.redis.delete(name)
    assert (await visitor.get("/console")).status == 303


async def test_redis_holds_neither_a_token_nor_a_session_id(visitor: Visitor, store: Store) -> None:
    session_id = visitor.cookie.partition("=")[2]
    held = b""
    async for name in store.redis.scan_iter(match="rm:console:*"):
        held += name + repr(await store.redis.execute_command("HGETALL", name)).encode()
    assert held
    assert session_id.encode() not in held
    assert API_TOKEN.encode() not in held


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://[", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_a_form_of_another_site_does_nothing(visitor: Visitor, headers: dict[str, str]) -> None:
    for path in ("/console/login", "/console/logout", "/console/actions/reconcile"):
        answer = await visitor.post(path, {"token": API_TOKEN}, **headers)
        assert answer.status == 403
        assert "not sent from the console" in words(await answer.text())
    assert (await visitor.get("/console")).status == 200


async def test_an_action_needs_an_origin(visitor: Visitor) -> None:
    answer = await visitor.client.post("/console/actions/reconcile", headers={"Cookie": visitor.cookie})
    assert answer.status == 403


async def test_too_many_failed_logins_are_held_up_also_with_the_right_token(log: Log, service: Client) -> None:
    visitor = Visitor(service)
    for _ in range(ATTEMPTS_OF_ONE):
        assert (await visitor.log_in("wrong")).status == 401
    assert (await visitor.log_in()).status == 429
    # Somebody elsewhere is not held up, whatever the client has written before the router's word.
    elsewhere = {"X-Forwarded-For": "203.0.113.9"}
    assert (await visitor.post("/console/login", {"token": API_TOKEN}, **elsewhere)).status == 303
    spoofed = {"X-Forwarded-For": "203.0.113.77, 127.0.0.1"}
    assert (await visitor.post("/console/login", {"token": API_TOKEN}, **spoofed)).status == 429
    events = [line["event"] for line in log.lines()]
    assert events.count("console.login_refused") == ATTEMPTS_OF_ONE + 2
    assert "wrong" not in log.text
    assert API_TOKEN not in log.text


async def test_without_a_token_set_the_console_says_how_to_open_it(start_service: StartService) -> None:
    visitor = Visitor(await start_service(API_TOKEN=""))
    assert "Set it to a long random text" in words(await visitor.page("/console/login", 403))
    assert (await visitor.log_in("")).status == 403


async def test_switched_off_there_is_no_console(start_service: StartService) -> None:
    service = await start_service(CONSOLE="off")
    for path in ("/", "/console", "/console/login", "/console/static/icon.svg"):
        assert await error_of(await service.get(path)) == (404, "not_found")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "//evil.example",
        "/\\evil.example",
        "https://evil.example/console",
        "/console@evil.example",
        "/console/../reviews?a=b#c",
        "/console\r\nSet-Cookie: a=b",
        "/consoles",
        "/console?" + "x" * 1000,
    ],
)
def test_a_login_never_leads_elsewhere(path: str) -> None:
    assert own_path(path) == "/console"


@pytest.mark.parametrize("path", ["/console", "/console/reviews/34", "/console/business?business_id=a%20b&range=1y"])
def test_a_login_leads_back_to_a_page_of_the_console(path: str) -> None:
    assert own_path(path) == path


async def test_no_page_may_load_or_be_framed_by_anything_foreign(visitor: Visitor) -> None:
    for path in ("/console", "/console/login", "/console/nothing", "/console/reviews/34"):
        headers = (await visitor.get(path)).headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert "*" not in policy
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"


async def test_a_link_from_another_site_is_told_that_its_visitor_may_be_logged_in(visitor: Visitor) -> None:
    answer = await visitor.get("/console/login?next=%2Fconsole%2Freviews", **{"Sec-Fetch-Site": "cross-site"})
    assert "You came from another site" in words(await answer.text())
