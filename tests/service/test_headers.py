"""What every answer says of itself, and HEAD."""

import pytest

from mirror.storage.store import Store
from tests.service.support import START, apply, exchange
from tests.support import READ, WEBHOOK, Client, make_body, make_review, send

BODY = make_body(make_review())


async def test_no_answer_is_to_be_guessed_at_nor_kept(service: Client, store: Store) -> None:
    await apply(store, (34, START, BODY))
    answers = [
        await service.get(path, headers=READ)
        for path in ("/reviews", "/reviews/34", "/reviews/34/changes", "/stats", "/healthz", "/readyz", "/nothing")
    ]
    answers += [await service.get("/reviews"), await send(service, BODY), await service.post(WEBHOOK)]
    for answer in answers:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
    assert (await exchange(service, b"no HTTP\r\n\r\n")).headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_head_answers_as_get_does_without_the_body(service: Client, path: str) -> None:
    got, headed = await service.get(path), await service.head(path)
    assert headed.status == got.status
    assert headed.headers["Content-Type"] == got.headers["Content-Type"]
    assert await headed.read() == b""
