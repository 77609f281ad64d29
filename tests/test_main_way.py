"""The main job, end to end: signed deliveries go in, a faithful review with its history comes out."""

from typing import Any

import pytest

from tests.support import READ, Client, make_body, make_deletion, make_review, send, wait_until

EDITED = make_body(make_review())
VANISHED = make_body(make_deletion(make_review()))


async def read(service: Client, path: str) -> dict[str, Any]:
    answer = await service.get(path, headers=READ)
    assert answer.status == 200, await answer.text()
    body: dict[str, Any] = await answer.json()
    return body


async def kinds_once_applied(service: Client, count: int) -> list[str]:
    """Return the kinds of changes, oldest first, once there are that many."""

    async def enough() -> list[str]:
        answer = await service.get("/reviews/34/changes", headers=READ)
        changes = (await answer.json()).get("changes", [])
        return [change["kind"] for change in reversed(changes)] if len(changes) >= count else []

    kinds: list[str] = await wait_until(enough)
    return kinds


@pytest.mark.usefixtures("worker")
async def test_a_reappearance_identical_to_the_state_before_deletion_is_applied(service: Client) -> None:
    for body in (EDITED, VANISHED, EDITED):
        answer = await send(service, body)
        assert answer.status == 200
        assert (await answer.json())["status"] == "accepted"

    assert await kinds_once_applied(service, 3) == ["first_seen", "vanished", "reappeared"]
    review = await read(service, "/reviews/34")
    assert review["status"] == "live"
    assert review["review"] == make_review()
    assert review["reappearances"] == 1


@pytest.mark.usefixtures("worker")
async def test_a_plain_duplicate_changes_nothing_and_adds_nothing_to_the_history(service: Client) -> None:
    for body in (EDITED, EDITED, EDITED, VANISHED, VANISHED):
        await send(service, body)

    assert await kinds_once_applied(service, 2) == ["first_seen", "vanished"]
