"""`python -m mirror endpoints`: adding, looking, pausing, rotating, replaying."""

import asyncio
import json
from functools import partial
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from mirror.domain.feed import BEGINNING
from mirror.domain.outgoing import Answer, Endpoint, Item, State
from mirror.storage import endpoints, keys
from mirror.storage.store import Store
from tests.commands import mirror as command
from tests.mirror.mirrored import mirror
from tests.support import make_review
from tests.worker.outgoing.support import receiving

PUBLIC = "https://example.com/hook"


def run(redis_url: str, *arguments: str, status: int = 0, **variables: str) -> Any:
    shown = command(redis_url, "endpoints", *arguments, "--json", **variables)
    assert shown.returncode == status, shown.stderr
    return json.loads(shown.stdout) if shown.stdout else shown.stderr


def test_without_endpoints_the_list_says_how_to_add_one(redis_url: str) -> None:
    assert run(redis_url, "list") == {"endpoints": []}
    assert "endpoints add https://" in command(redis_url, "endpoints", "list").stdout


def test_adding_prints_id_and_secret_and_nothing_shows_the_secret_again(redis_url: str) -> None:
    added = run(redis_url, "add", PUBLIC, "--kind", "vanished", "--hold-vanished", "48h")
    assert set(added) == {"id", "url", "secret"}
    assert added["secret"].startswith("whsec_")
    shown = run(redis_url, "show", added["id"])
    assert (shown["state"], shown["kinds"], shown["hold_vanished_s"]) == ("active", ["vanished"], 172_800)
    for arguments in (("list",), ("show", added["id"])):
        assert added["secret"] not in command(redis_url, "endpoints", *arguments).stdout


def test_it_can_be_paused_resumed_rotated_and_removed(redis_url: str) -> None:
    endpoint_id = run(redis_url, "add", PUBLIC)["id"]
    assert run(redis_url, "pause", endpoint_id)["state"] == "paused"
    assert run(redis_url, "resume", endpoint_id)["state"] == "active"
    rotated = run(redis_url, "rotate", endpoint_id)
    assert set(rotated) == {"id", "url", "secret", "old_secret_until"}
    run(redis_url, "remove", endpoint_id, "--yes")
    assert "no endpoint has the id" in run(redis_url, "show", endpoint_id, status=2)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("add", "ftp://example.com"), "must be a URL that starts with https://"),
        (("add", "https://example.com/#part"), "without #"),
        (("add", "https://user@example.com/"), "without a user's name"),
        (("add", "http://127.0.0.1/"), "not a public address"),
        (("add", "http://169.254.169.254/"), "not a public address"),
        (("add", "http://[::1]/"), "not a public address"),
        (("add", PUBLIC, "--from", "yesterday"), "--from yesterday"),
        (("add", PUBLIC, "--from", "99999999999999-0"), "--from 99999999999999-0"),
        (("add", PUBLIC, "--hold-vanished", "2"), "must be a whole number with a unit"),
        (("add", PUBLIC, "--kind", "born"), "invalid choice"),
    ],
)
def test_what_cannot_be_used_is_refused_with_words(redis_url: str, arguments: tuple[str, ...], problem: str) -> None:
    assert problem in run(redis_url, *arguments, status=2)


async def test_a_test_event_is_sent_now_and_the_answer_is_told(redis_url: str) -> None:
    allowed = partial(run, redis_url, OUTGOING_ALLOW_PRIVATE="on")
    async with receiving() as receiver:
        added = await asyncio.to_thread(allowed, "add", receiver.url)
        told = await asyncio.to_thread(allowed, "test", added["id"])
        assert (told["ok"], told["status"]) == (True, 200)
        event = Webhook(added["secret"]).verify(receiver.bodies[0], receiver.headers[0])
        assert event["type"] == "reviewmirror.test"
        receiver.reply = lambda _request, _event: 500
        await asyncio.to_thread(partial(allowed, status=1), "test", added["id"])


async def test_a_replay_goes_back_in_the_feed(store: Store, redis_url: str) -> None:
    await mirror(store, make_review(34))
    added = await asyncio.to_thread(run, redis_url, "add", PUBLIC)
    endpoint = await endpoints.get(store, added["id"])
    assert (await endpoints.standing(store, endpoint, 0)).lag_events == 0
    await asyncio.to_thread(run, redis_url, "replay", added["id"], "--since", "2025-01-01")
    assert (await endpoints.standing(store, endpoint, 0)).lag_events == 1


def test_what_is_neither_pending_nor_parked_cannot_be_skipped(redis_url: str) -> None:
    added = run(redis_url, "add", PUBLIC)
    assert "is not pending or parked" in run(redis_url, "skip", added["id"], "34-1", status=2)


async def ill(store: Store) -> None:
    """One endpoint is well, one disabled, one fails and has a parked event."""
    now = await store.now()
    for number, state in enumerate((State.ACTIVE, State.DISABLED, State.ACTIVE)):
        reason = "the receiver answered 410" if state is State.DISABLED else ""
        endpoint = Endpoint(
            id=f"ep_{number}", url=PUBLIC, secrets=(), created_at=now + number, state=state, reason=reason
        )
        await endpoints.add(store, endpoint, BEGINNING)
    answer = endpoints.encode_answer(Answer(at=now, event="34-1", status=500))
    await store.redis.execute_command("HSET", keys.endpoint("ep_2", "facts"), "failing_since", now - 120_000)
    await store.redis.execute_command("LPUSH", keys.endpoint("ep_2", "answers"), answer)
    item = endpoints.encode_item(Item(position="1-1", kind="updated", review_id=34, version=1))
    await store.redis.execute_command("HSET", keys.endpoint("ep_2", "parked"), "1-1", item)


async def test_the_doctor_warns_of_endpoints_that_are_not_well(store: Store, redis_url: str) -> None:
    await ill(store)
    shown = command(redis_url, "doctor", "--without-worker").stdout
    assert "warn  endpoint ep_1: disabled: the receiver answered 410" in shown
    assert "warn  endpoint ep_2: nothing has succeeded since" in shown
    assert "last: 500" in shown
    assert "warn  endpoint ep_2: 1 event parked" in shown
    assert "ep_0" not in shown


async def test_status_shows_each_endpoint(store: Store, redis_url: str) -> None:
    await ill(store)
    lines = command(redis_url, "status").stdout.splitlines()
    assert "endpoint      ep_0: active, up to date" in lines
    assert "endpoint      ep_1: disabled, up to date" in lines
    assert any(line.startswith("endpoint      ep_2: active, up to date, failing since") for line in lines)
    found = json.loads(command(redis_url, "status", "--json").stdout)["endpoints"]
    assert [(one["id"], one["state"], one["parked"]) for one in found][2] == ("ep_2", "active", 1)


async def test_a_disappearance_that_is_held_is_not_late(store: Store) -> None:
    await ill(store)
    now = await store.now()
    for place, held_until in (("5-1", now + 60_000), ("6-1", now - 1)):
        item = Item(position=place, kind="vanished", review_id=34, version=1, held_until=held_until)
        await store.redis.execute_command("HSET", keys.endpoint("ep_0", "pending"), place, endpoints.encode_item(item))
    standing = await endpoints.standing(store, await endpoints.get(store, "ep_0"), now)
    assert (standing.pending, standing.lag_events, standing.lag_ms) == (2, 1, now - 6)
