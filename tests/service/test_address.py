"""Which requests the router gives to the webhook, however their address is written."""

import pytest
from yarl import URL

from mirror.storage.store import Store
from service.webhook.body import BodyReader
from tests.conftest import StartService
from tests.service.conftest import Log
from tests.service.support import error_of, exchange, fail, head, inbox_of
from tests.support import WEBHOOK, Client, make_body, make_review, send, signed

BODY = make_body(make_review())
SECRET = "9fa91de19"


@pytest.mark.parametrize("path", [WEBHOOK, f"{WEBHOOK}?key=x", "/webhooks/p%61rtoo", f"/{WEBHOOK}", f"{WEBHOOK}/"])
@pytest.mark.parametrize("expect100", [False, True])
async def test_a_delivery_is_accepted_however_its_address_is_written(
    service: Client, store: Store, path: str, *, expect100: bool
) -> None:
    url = URL(f"http://{service.host}:{service.port}{path}", encoded=True)
    answer = await service.session.post(url, data=BODY, headers=signed(BODY), expect100=expect100)
    assert (answer.status, (await answer.json())["status"]) == (200, "accepted")
    assert [entry.body for entry in await inbox_of(store, 34)] == [BODY]


@pytest.mark.parametrize("path", ["/webhooks%2Fpartoo", "/webhooks", "/webhooks/partoox", "/partoo/webhooks"])
async def test_what_is_not_its_path_is_not_found(service: Client, path: str) -> None:
    assert (await exchange(service, head(len(BODY), path, **signed(BODY)) + BODY)).status == 404


@pytest.mark.parametrize("secret", ["", f"/{SECRET}"])
async def test_what_nobody_foresaw_is_logged_with_the_route_and_not_with_the_secret(
    log: Log, start_service: StartService, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setattr(BodyReader, "read", fail)
    service = await start_service(PARTOO_WEBHOOK_SECRET=SECRET)
    answer = await send(service, BODY, WEBHOOK + (secret or f"?key={SECRET}"))
    assert await error_of(answer) == (500, "internal_error")
    [line] = log.lines(lambda line: line["event"] == "request.failed")
    assert (line["route"], line["request_id"]) == (WEBHOOK, answer.headers["X-Request-ID"])
    assert SECRET not in log.text
