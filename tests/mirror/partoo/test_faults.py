"""Whatever Partoo's API answers instead of a page: nothing changes, it is asked again, and a line says why."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from mirror.partoo.api import PartooApi, Patience
from mirror.partoo.errors import ApiError, ApiRefusedError
from mirror.partoo.limiter import Limiter
from mirror.partoo.patience import PatientReader
from mirror.storage import verification
from mirror.storage.store import Store
from tests.mirror.partoo.conftest import Mirror
from tests.support import make_deletion, make_review

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
LIVE = make_review()


def page(*reviews: Any, **numbers: Any) -> dict[str, Any]:
    return {"page": 1, "max_page": 1, "count": len(reviews), "reviews": list(reviews)} | numbers


def status(code: int, **headers: str) -> Answer:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=code, headers={name.replace("_", "-"): text for name, text in headers.items()})

    return answer


def body(text: str, content_type: str = "application/json") -> Answer:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=text, content_type=content_type)

    return answer


async def cut(request: web.Request) -> web.StreamResponse:
    """End the connection in the middle of the answer."""
    response = web.StreamResponse(headers={"Content-Length": "5000", "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(json.dumps(page(LIVE))[:100].encode())
    assert request.transport is not None
    request.transport.abort()
    return response


async def hang(_request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(5)
    raise web.HTTPGatewayTimeout


FAULTS: dict[str, tuple[Answer, str]] = {
    "404": (status(404), "404"),
    "429 with seconds": (status(429, Retry_After="0"), "429"),
    "429 with a date": (status(429, Retry_After="Sat, 13 Sep 2025 10:00:00 GMT"), "429"),
    "500": (status(500), "500"),
    "502": (status(502), "502"),
    "503": (status(503), "503"),
    "cut in the middle": (cut, "cut off"),
    "no JSON": (body("Service restarting"), "not a page of reviews"),
    "truncated": (body(json.dumps(page(LIVE))[:-40]), "not a page of reviews"),
    "HTML with 200": (body("<html>Maintenance</html>", "text/html"), "not a page of reviews"),
    "a list": (body(json.dumps([LIVE])), "not a page of reviews"),
    "an object for a list": (body(json.dumps(page() | {"reviews": {"1": LIVE}})), "not a page of reviews"),
    "absurd numbers": (body(json.dumps(page(LIVE, max_page=10**9, count=10**9))), "not a page of reviews"),
    "hangs": (hang, "did not answer within"),
}


class Server:
    """Gives the answers that a test puts, one after the other; the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests = 0
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_get("/v2/reviews", server.answer)
    running = TestServer(app, host="127.0.0.1")
    await running.start_server()
    server.url = str(running.make_url("/v2"))
    yield server
    await running.close()


@pytest.fixture
def api(store: Store, server: Server, session: aiohttp.ClientSession) -> PartooApi:
    patience = Patience(timeout_s=1.0, attempts=3, first_wait_s=0.001)
    return PartooApi(session, server.url, "a-key", Limiter(store, 60_000), patience)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_listing_gets_over_a_fault_and_tells_of_it(server: Server, api: PartooApi, fault: str) -> None:
    answer, word = FAULTS[fault]
    server.answers = [answer, body(json.dumps(page(LIVE)))]
    failures: list[ApiError] = []
    pages = [one async for one in PatientReader(api, failures.append).pages({})]
    assert [one.reviews for one in pages] == [[LIVE]]
    assert [word in str(failure) for failure in failures] == [True]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_listing_that_meets_nothing_but_a_fault_ends_with_a_clear_error(
    server: Server, api: PartooApi, fault: str
) -> None:
    answer, word = FAULTS[fault]
    server.answers = [answer]
    with pytest.raises(ApiError, match=word):
        [one async for one in PatientReader(api, lambda _error: None).pages({})]
    assert server.requests == 3


@pytest.mark.parametrize("code", [401, 403])
async def test_a_key_that_is_refused_is_not_tried_again_in_the_same_run(
    server: Server, api: PartooApi, code: int
) -> None:
    server.answers = [status(code)]
    with pytest.raises(ApiRefusedError, match="check PARTOO_API_KEY"):
        [one async for one in PatientReader(api, lambda _error: None).pages({})]
    assert server.requests == 1


@pytest.mark.parametrize("fault", [*FAULTS, "401", "403"])
async def test_a_question_that_meets_a_fault_stays_open_and_sets_nothing_back(
    mirror: Mirror, server: Server, api: PartooApi, fault: str
) -> None:
    server.answers = [FAULTS[fault][0] if fault in FAULTS else status(int(fault))]
    mirror.verifier.api = api
    await mirror.tell(LIVE, make_deletion(LIVE), LIVE)
    before = await mirror.store.redis.get("rm:{34}:record")
    with capture_logs() as logs:
        await mirror.verify()
    assert await mirror.store.redis.get("rm:{34}:record") == before
    assert await verification.count(mirror.store) == 1
    [told] = [line for line in logs if line["event"] == "verification.failed"]
    assert told["retry_in_s"] >= 5


async def test_a_refused_key_is_told_of_once_and_no_other_business_is_asked_about(
    mirror: Mirror, server: Server, api: PartooApi
) -> None:
    server.answers = [status(403)]
    mirror.verifier.api = api
    for number in range(5):
        review = make_review(number, business_id=f"b{number}")
        await mirror.tell(review, make_deletion(review), review)
    with capture_logs() as logs:
        for _ in range(3):
            await mirror.verify()
    assert [line["log_level"] for line in logs if line["event"] == "verification.failed"] == ["error"]
    assert server.requests == 1
    assert await verification.count(mirror.store) == 5


async def test_one_item_that_cannot_be_read_stops_no_question_and_is_told_of_once(
    mirror: Mirror, server: Server, api: PartooApi
) -> None:
    mirror.verifier.api = api
    hidden = make_review(35)
    for review in (LIVE, hidden):
        await mirror.tell(review, make_deletion(review), review)
    server.answers = [body(json.dumps(page(LIVE, None, {"id": "x"}))), body(json.dumps(page()))]
    with capture_logs() as logs:
        await mirror.verify()
    # The one that was shown is confirmed; the other may be an item that cannot be read.
    assert [line["items"] for line in logs if line["event"] == "verification.unreadable_items"] == [2]
    assert await mirror.store.redis.zrange("rm:verify", 0, -1) == [b"35"]


async def test_photos_are_asked_for_in_every_search(mirror: Mirror, partoo: Any) -> None:
    await mirror.tell(LIVE, make_deletion(LIVE), LIVE)
    await mirror.verify()
    assert [query["with_media_links"] for query in partoo.requests] == ["true", "true"]
