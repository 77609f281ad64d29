"""What somebody can do: asked first, done once, logged with who did it, refused to whoever may only read."""

import re

import pytest

from mirror.domain.outgoing import State
from mirror.storage import dead_letters, endpoints
from mirror.storage.store import Store
from service.console.actions import ACTIONS
from tests.conftest import StartService
from tests.service.conftest import Log
from tests.service.console.conftest import Visitor, words
from tests.service.console.mirrored import Mirrored


async def confirm(visitor: Visitor, path: str) -> str:
    """Open what asks, send what it would send, and return the page that this leads to."""
    page = await visitor.page(path)
    form = re.search(r'<form method="post" action="(/console/actions/[^"]*)"(.*?)</form>', page, re.DOTALL)
    assert form is not None
    fields = dict(re.findall(r'name="([^"]*)" value="([^"]*)"', form[2]))
    answer = await visitor.post(form[1], fields)
    assert answer.status == 303, await answer.text()
    return words(await visitor.page(answer.headers["Location"]))


async def test_asking_does_nothing(visitor: Visitor, mirrored: Mirrored, store: Store) -> None:
    page = await visitor.page(f"/console/actions/drop-dead-letters?id={mirrored.letter_id}")
    assert "Drop 1 dead letter?" in page
    assert mirrored.letter_id in page
    assert await dead_letters.count(store) == 1


async def test_a_dead_letter_is_dropped_and_the_log_says_by_whom(
    log: Log, visitor: Visitor, mirrored: Mirrored, store: Store
) -> None:
    told = await confirm(visitor, f"/console/actions/drop-dead-letters?id={mirrored.letter_id}")
    assert "1 dead letter dropped." in told
    assert "Every delivery that was accepted could be read" in told
    assert await dead_letters.count(store) == 0
    (line,) = log.lines(lambda line: line["event"] == "console.action")
    assert (line["action"], line["token"], line["delivery_ids"]) == ("drop-dead-letters", "token", [mirrored.letter_id])
    # What was told is told once.
    assert "dropped" not in words(await visitor.page("/console/dead-letters"))


async def test_a_dead_letter_that_stays_says_why(visitor: Visitor, mirrored: Mirrored, store: Store) -> None:
    told = await confirm(visitor, f"/console/actions/retry-dead-letters?id={mirrored.letter_id}")
    assert f"Dead letter {mirrored.letter_id} stays" in told
    assert await dead_letters.count(store) == 1


@pytest.mark.usefixtures("mirrored")
async def test_an_endpoint_is_paused_resumed_and_replayed_to(visitor: Visitor, store: Store) -> None:
    told = await confirm(visitor, "/console/actions/pause-endpoint?id=ep-1")
    assert "Endpoint ep-1 is paused." in told
    assert (await endpoints.get(store, "ep-1")).state is State.PAUSED
    told = await confirm(visitor, "/console/actions/resume-endpoint?id=ep-1")
    assert "Endpoint ep-1 is active." in told
    assert (await endpoints.get(store, "ep-1")).state is State.ACTIVE
    told = await confirm(visitor, "/console/actions/replay-endpoint?id=ep-1&since=2100-01-01T00:00:00Z")
    assert "is sent again what happened since 2100-01-01 00:00:00 UTC" in told


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("nothing", 404),
        ("pause-endpoint?id=none", 404),
        ("replay-endpoint?id=ep-1", 400),
        ("replay-endpoint?id=ep-1&since=soon", 400),
        ("drop-dead-letters", 400),
        ("drop-dead-letters?id=x", 400),
        ("drop-dead-letters?" + "&".join(f"id={number:024x}" for number in range(51)), 400),
        ("reconcile", 409),
    ],
)
@pytest.mark.usefixtures("mirrored")
async def test_what_cannot_be_done_is_said_before(visitor: Visitor, path: str, status: int) -> None:
    await visitor.page(f"/console/actions/{path}", status)
    assert (await visitor.post(f"/console/actions/{path}")).status in (400, 404, 409)


async def test_a_reconciliation_is_left_to_a_worker(start_service: StartService, store: Store) -> None:
    visitor = Visitor(await start_service(PARTOO_API_KEY="a-key"))
    await visitor.log_in()
    assert "A worker will begin to reconcile" in await confirm(visitor, "/console/actions/reconcile")
    assert await store.redis.zcard("arq:queue") == 1


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_token_that_may_only_read_is_refused(
    log: Log, start_service: StartService, mirrored: Mirrored, store: Store, action: str
) -> None:
    visitor = Visitor(await start_service(API_TOKEN="viewer:read:a-token-for-looking"))
    await visitor.log_in("a-token-for-looking")
    query = f"?id={mirrored.letter_id}"
    assert "The token viewer may only read" in words(await visitor.page(f"/console/actions/{action}{query}", 403))
    assert (await visitor.post(f"/console/actions/{action}", {"id": mirrored.letter_id})).status == 403
    assert await dead_letters.count(store) == 1
    assert len(log.lines(lambda line: line["event"] == "console.action_refused")) == 2
    assert not log.lines(lambda line: line["event"] == "console.action")
    assert "viewer (read only)" in words(await visitor.page("/console"))


async def test_an_action_is_logged_with_the_name_of_the_token(
    log: Log, start_service: StartService, mirrored: Mirrored
) -> None:
    visitor = Visitor(await start_service(API_TOKEN="viewer:read:one-token,ann:operate:another-token"))
    await visitor.log_in("another-token")
    await confirm(visitor, f"/console/actions/drop-dead-letters?id={mirrored.letter_id}")
    assert [line["token"] for line in log.lines(lambda line: line["event"] == "console.action")] == ["ann"]
