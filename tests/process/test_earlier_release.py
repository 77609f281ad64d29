"""What an earlier release left in Redis is read, applied and gone on with. `record_release` records such a state."""

import base64
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mirror.domain.lifecycle import Status
from mirror.settings import Settings
from mirror.storage import dead_letters, inbox, keys, reads
from mirror.storage.frames import decompress
from mirror.storage.store import Store
from tests.conftest import running_worker
from tests.support import READ, Client, make_body, make_deletion, make_review, send, wait_until

FIXTURES = sorted((Path(__file__).parent / "fixtures").glob("*.json"))


def commands(fixture: Path) -> list[list[Any]]:
    """Read what was recorded."""
    recorded = msgspec.json.decode(fixture.read_bytes())["commands"]
    return [
        [base64.b64decode(part["base64"]) if isinstance(part, dict) else part for part in command]
        for command in recorded
    ]


@pytest.fixture(params=FIXTURES, ids=[fixture.stem for fixture in FIXTURES])
async def earlier(request: pytest.FixtureRequest, store: Store) -> Store:
    """Give an empty Redis what the earlier release left in its."""
    for command in commands(request.param):
        await store.redis.execute_command(*command)
    return store


async def applied(store: Store) -> None:
    async def nothing_waits() -> bool:
        return (await inbox.backlog(store)).reviews == 0

    await wait_until(nothing_waits)


async def shown(service: Client, path: str) -> Any:
    answer = await service.get(path, headers=READ)
    assert answer.status == 200
    return await answer.json()


async def kinds(service: Client, review_id: int) -> list[str]:
    changes = (await shown(service, f"/reviews/{review_id}/changes"))["changes"]
    return [change["kind"] for change in reversed(changes)]


@pytest.mark.usefixtures("earlier")
async def test_its_reviews_histories_and_lists_are_shown(service: Client) -> None:
    statuses = [(await shown(service, f"/reviews/{number}"))["status"] for number in (1, 2, 3, 4)]
    assert statuses == ["live", "missing", "live", "live"]
    assert await kinds(service, 1) == ["first_seen", "updated"]
    assert await kinds(service, 3) == ["first_seen", "vanished", "reappeared"]
    assert (await shown(service, "/reviews/4"))["review"]["sentiment"] == {"new": ["at", "Partoo"]}
    listed = (await shown(service, "/reviews?status=live"))["reviews"]
    assert [review["id"] for review in listed] == [1, 3, 4]


@pytest.mark.usefixtures("earlier")
async def test_its_histories_tell_what_was_shown_at_a_moment(service: Client) -> None:
    first, edited = reversed((await shown(service, "/reviews/1/changes"))["changes"])
    then = await shown(service, f"/reviews/1?at={first['received_at']}")
    assert (then["version"], then["review"]["rating"]) == (1, 3)
    assert edited["fields"]["rating"] == [3, 5]


async def test_its_dead_letters_are_kept(earlier: Store) -> None:
    assert await dead_letters.count(earlier) == 2


async def test_what_it_left_waiting_is_applied_as_if_it_had_done_it(
    earlier: Store, settings: Settings, redis_url: str, service: Client
) -> None:
    assert (await inbox.backlog(earlier)).reviews == 4
    async with running_worker(settings, redis_url):
        await applied(earlier)
    assert await kinds(service, 1) == ["first_seen", "updated", "updated"]
    assert await kinds(service, 2) == ["first_seen", "vanished", "reappeared"]
    assert await kinds(service, 3) == ["first_seen", "vanished", "reappeared"]
    assert await kinds(service, 5) == ["first_seen"]
    assert (await shown(service, "/reviews/1"))["review"]["title"] == "Parfait"


async def test_new_deliveries_are_applied_on_top_of_it(
    earlier: Store, settings: Settings, redis_url: str, service: Client
) -> None:
    deleted = make_deletion(make_review(4, update_date="2025-09-11T10:00:00+02:00"), "2025-09-12T10:00:00+02:00")
    async with running_worker(settings, redis_url):
        for body in (make_body(deleted), make_body(make_review(6))):
            assert (await send(service, body)).status == 200
        await applied(earlier)
    four, six = await reads.record(earlier, 4), await reads.record(earlier, 6)
    assert four is not None
    assert six is not None
    assert (four.status, four.version, six.version) == (Status.MISSING, 2, 1)
    assert b'"schema":1' in decompress(await earlier.redis.get(keys.record(4)) or b"")
    assert four.last_live is not None
    assert four.last_live["sentiment"] == {"new": ["at", "Partoo"]}


async def test_its_plain_records_become_frames_as_reviews_change(
    earlier: Store, settings: Settings, redis_url: str, service: Client
) -> None:
    before = await earlier.redis.get(keys.record(4)) or b""
    assert before.startswith(b"{")
    async with running_worker(settings, redis_url):
        assert (await send(service, make_body(make_review(4, update_date="2025-09-11T10:00:00+02:00")))).status == 200
        await applied(earlier)
    after = await earlier.redis.get(keys.record(4)) or b""
    assert after.startswith(b"\x28\xb5\x2f\xfd")
    assert len(after) < len(before)
    assert await kinds(service, 4) == ["first_seen", "updated"]
