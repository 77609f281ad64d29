"""The notifier on a real Redis: one of the fleet tells, also what happens to Redis, until it is delivered."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from mirror.alerting import conditions, notifier
from mirror.alerting.conditions import REDIS
from mirror.alerting.notifier import Notifier, Target
from mirror.domain import notices as rules
from mirror.domain.dead_letters import DeadLetter
from mirror.domain.outgoing import Answer, Secret
from mirror.storage import dead_letters, keys, notices, probe
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.probe import ProbeLog, WriteProbe
from mirror.storage.store import Store
from mirror.storage.workers import beat

URL = "https://alerts.example/hook"


class Client:
    """Takes what is posted, or answers with the status that the test sets."""

    def __init__(self) -> None:
        self.status = 204
        self.taken: list[dict[str, Any]] = []
        self.tries = 0

    async def send(self, url: str, body: bytes, event_id: str, secrets: Sequence[Secret], now: int) -> Answer:
        assert (url, list(secrets)) == (URL, [])
        self.tries += 1
        if self.status == 204:
            self.taken.append(json.loads(body))
        return Answer(at=now, event=event_id, status=self.status)

    async def close(self) -> None:
        """Nothing is open."""

    def told(self) -> list[tuple[str, str]]:
        return [(one["data"]["key"], one["data"]["kind"]) for one in self.taken]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "CALM_MS", 0)
    monkeypatch.setattr(probe, "INTERVAL_S", 0.0)
    monkeypatch.setattr(notifier, "retry_delay", lambda _failures, _jitter: 0)
    for name in conditions.PATIENCE_MS:
        monkeypatch.setitem(conditions.PATIENCE_MS, name, 0)


def notifier_of(store: Store, client: Client, name: str = "one", *, slack: bool = False) -> Notifier:
    target = Target(URL, slack, ())
    return Notifier(store, WriteProbe(store, ProbeLog()), client, target, name)  # type: ignore[arg-type]


async def keep_letter(store: Store, number: int = 1) -> None:
    await dead_letters.keep(store, DeadLetter(f"letter-{number}", number, "not_json", "no", b"{%d" % number))


async def test_of_several_processes_one_tells_and_another_takes_over(store: Store) -> None:
    clients = [Client() for _ in range(3)]
    fleet = [notifier_of(store, client, str(number)) for number, client in enumerate(clients)]
    await beat(store, "a-worker")
    await keep_letter(store)
    for _ in range(3):
        await asyncio.gather(*(one.look() for one in fleet))
    assert sorted(client.told() for client in clients) == [[], [], [("dead_letters", "opened")]]
    leader = next(client for client in clients if client.taken)
    others = [one for one, client in zip(fleet, clients, strict=True) if client is not leader]
    await store.redis.delete(keys.NOTICES_LEASE, keys.DEAD_LETTERS)
    for _ in range(2):
        await asyncio.gather(*(one.look() for one in others))
    assert sorted(client.told() for client in clients) == [
        [],
        [("dead_letters", "opened")],
        [("dead_letters", "resolved")],
    ]


async def test_without_a_worker_that_is_told_too(store: Store) -> None:
    client = Client()
    one = notifier_of(store, client)
    await one.look()
    await beat(store, "a-worker")
    for _ in range(2):
        await one.look()
    assert client.told() == [("no_worker", "opened"), ("no_worker", "resolved")]
    (opened, _) = client.taken
    assert opened["type"] == "reviewmirror.notice.opened"
    assert opened["data"]["todo"] == "start a worker: python -m worker"
    assert opened["data"]["text"].startswith("reviewmirror: Problem: no worker is alive")


async def test_what_is_not_taken_is_sent_again_under_the_same_id_and_given_up_after_a_day(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client()
    client.status = 503
    await beat(store, "a-worker")
    await keep_letter(store)
    one = notifier_of(store, client)
    # Nothing keeps the first try from being followed by others in the same look.
    monkeypatch.setattr(notifier, "retry_delay", lambda _failures, _jitter: 3_600_000)
    with capture_logs() as lines:
        for _ in range(2):
            await one.look()
    assert client.tries == 1
    assert [(line["event"], line["status"]) for line in lines] == [("notice.failed", 503)]
    state = await notices.read(store)
    assert [notice.key for notice in state.outbox] == ["dead_letters"]

    monkeypatch.setattr(notifier, "GIVEN_UP_AFTER_MS", 0)
    with capture_logs() as lines:
        await notifier_of(store, client).look()
    assert [line["event"] for line in lines] == ["notice.given_up"]
    assert (await notices.read(store)).outbox == []


async def test_what_a_dead_process_had_not_sent_another_sends(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifier, "retry_delay", lambda _failures, _jitter: 3_600_000)
    client, other = Client(), Client()
    client.status = 500
    await beat(store, "a-worker")
    await keep_letter(store)
    await notifier_of(store, client).look()
    await store.redis.delete(keys.NOTICES_LEASE)
    await notifier_of(store, other, "two").look()
    assert (client.taken, other.told()) == ([], [("dead_letters", "opened")])


async def test_a_redis_that_goes_away_is_told_by_the_one_that_looked_last_and_nothing_is_told_twice(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, other = Client(), Client()
    one, two = notifier_of(store, client), notifier_of(store, other, "two")
    await beat(store, "a-worker")
    await keep_letter(store)
    await one.look()
    await two.look()

    async def away(*_args: Any, **_options: Any) -> Any:
        raise StorageUnavailableError("away")

    with monkeypatch.context() as broken:
        broken.setattr(store, "hold", away)
        broken.setattr(store, "probe", away)
        broken.setattr(store.redis, "execute_command", away)
        for _ in range(3):
            await asyncio.gather(one.look(), two.look())
    assert client.told() == [("dead_letters", "opened"), (REDIS, "opened")]
    for _ in range(3):
        await asyncio.gather(one.look(), two.look())
    assert sorted(client.told() + other.told()) == [("dead_letters", "opened"), (REDIS, "opened"), (REDIS, "resolved")]


async def test_slack_gets_its_own_form(store: Store) -> None:
    client = Client()
    await beat(store, "a-worker")
    await keep_letter(store)
    await notifier_of(store, client, slack=True).look()
    (message,) = client.taken
    assert set(message) == {"text"}
    assert "1 delivery could not be read" in message["text"]
    assert "What to do: " in message["text"]


async def test_what_is_stored_and_cannot_be_read_keeps_nothing_from_being_told(store: Store) -> None:
    client = Client()
    await beat(store, "a-worker")
    await store.redis.set(keys.NOTICES, b"garbage")
    await keep_letter(store)
    await notifier_of(store, client).look()
    assert client.told() == [("dead_letters", "opened")]
