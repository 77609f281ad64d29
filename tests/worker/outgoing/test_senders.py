"""Outgoing webhooks over real HTTP: signed, in order for each review, again after every kind of failure."""

import asyncio
import json
from collections import defaultdict
from typing import Any

import msgspec
import pytest
from aiohttp import web
from standardwebhooks.webhooks import Webhook

from mirror.clock import now_ms
from mirror.domain import outgoing
from mirror.domain.feed import Position
from mirror.domain.outgoing import Item, Secret, State, make_secret
from mirror.storage import endpoints, forgetting, keys
from mirror.storage.store import Store
from tests.service.support import START, apply
from tests.support import make_body, make_deletion, make_review, wait_until
from tests.worker.outgoing.support import SECRET, Clock, add_endpoint, receiving, sending, until
from worker.deciding import Policy
from worker.drain import Drainer
from worker.outgoing.follower import Follower

HOUR = 3_600_000
DAY = 24 * HOUR


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "RETRY_AFTER_MS", (100, 200))
    monkeypatch.setattr("worker.outgoing.senders.INTERVAL_S", 0.05)


async def edit(store: Store, review_id: int, *ratings: int, day: int = 0) -> None:
    for number, rating in enumerate(ratings):
        clock = f"2025-09-{12 + day + number:02d}T00:00:00Z"
        body = make_body(make_review(review_id, rating=rating, update_date=clock))
        await apply(store, (review_id, START + (day + number) * DAY, body))


async def test_each_change_is_posted_once_and_signed_as_standard_webhooks_are(store: Store) -> None:
    async with receiving() as receiver, sending(store):
        await add_endpoint(store, receiver.url)
        await edit(store, 34, 3, 4, 5)
        await until(lambda: len(receiver.taken) == 3)
        await asyncio.sleep(0.3)
    assert receiver.ids == ["34-1", "34-2", "34-3"]
    for body, headers in zip(receiver.bodies, receiver.headers, strict=True):
        assert Webhook(SECRET).verify(body, headers) == json.loads(body)
        assert headers["webhook-id"] == json.loads(body)["id"]
        assert headers["content-type"] == "application/json"


async def test_an_endpoint_begins_where_it_was_told_to_and_goes_on_after_a_restart(store: Store) -> None:
    await edit(store, 34, 3)
    async with receiving() as receiver:
        async with sending(store):
            await add_endpoint(store, receiver.url)
            await until(lambda: receiver.ids == ["34-1"])
        await edit(store, 34, 4, day=3)
        async with sending(store):
            await until(lambda: receiver.ids == ["34-1", "34-2"])


async def test_of_a_review_the_order_holds_while_others_overtake_what_fails(store: Store) -> None:
    failures: dict[str, int] = defaultdict(int)

    def reply(_request: web.Request, event: dict[str, Any]) -> int:
        failures[event["id"]] += 1
        return 500 if event["id"] == "34-1" and failures["34-1"] < 4 else 200

    async with receiving() as receiver, sending(store):
        receiver.reply = reply
        await add_endpoint(store, receiver.url)
        await edit(store, 34, 3, 4)
        await edit(store, 35, 3)
        await until(lambda: len(receiver.taken) == 3)
    assert receiver.ids == ["35-1", "34-1", "34-2"]


async def cut(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def hang(_request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(5)
    return web.Response()


async def redirect(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "/elsewhere"})


@pytest.mark.parametrize("failure", [cut, hang, redirect, 301, 400, 404, 429, 500, 503])
async def test_whatever_goes_wrong_the_event_is_sent_again_until_it_is_taken(store: Store, failure: Any) -> None:
    paths = []

    def fail(request: web.Request, _event: dict[str, Any]) -> Any:
        paths.append(request.path)
        return failure(request) if callable(failure) else failure

    async with receiving() as receiver, sending(store):
        receiver.reply = fail
        await add_endpoint(store, receiver.url)
        await edit(store, 34, 3)
        await until(lambda: receiver.attempts)
        receiver.reply = lambda _request, _event: 204
        await until(lambda: receiver.ids == ["34-1"])
    assert set(paths) == {"/hook"}


async def test_a_receiver_that_names_a_time_is_left_alone_until_then(store: Store) -> None:
    async with receiving() as receiver, sending(store):
        receiver.reply = lambda _request, _event: web.Response(status=503, headers={"Retry-After": "2"})
        await add_endpoint(store, receiver.url)
        await edit(store, 34, 3)
        await until(lambda: receiver.attempts)
        receiver.reply = lambda _request, _event: 200
        await edit(store, 35, 3)
        await asyncio.sleep(0.8)
        assert len(receiver.attempts) == 1
        await until(lambda: len(receiver.taken) == 2)


async def test_410_disables_an_endpoint_and_resuming_it_sends_what_was_missed(store: Store) -> None:
    async with receiving() as receiver, sending(store):
        receiver.reply = lambda _request, _event: 410
        await add_endpoint(store, receiver.url)
        await edit(store, 34, 3)

        async def disabled() -> bool:
            return (await endpoints.get(store, "ep_1")).state is State.DISABLED

        await wait_until(disabled)
        receiver.reply = lambda _request, _event: 200
        await edit(store, 34, 4, day=3)
        await endpoints.change(store, "ep_1", lambda one: msgspec.structs.replace(one, state=State.ACTIVE))
        await until(lambda: receiver.ids == ["34-1", "34-2"])


async def test_an_endpoint_at_which_nothing_succeeds_for_days_is_disabled_by_time_not_by_count(store: Store) -> None:
    clock = Clock()
    async with receiving() as receiver, sending(store, clock=clock):
        receiver.reply = lambda _request, _event: 500
        await add_endpoint(store, receiver.url)
        await edit(store, 34, 3)
        await until(lambda: len(receiver.attempts) >= 3)
        assert (await endpoints.get(store, "ep_1")).state is State.ACTIVE
        clock.ahead = 6 * DAY

        async def disabled() -> bool:
            return (await endpoints.get(store, "ep_1")).state is State.DISABLED

        await wait_until(disabled)


async def test_what_is_refused_for_a_day_while_others_are_taken_is_parked_and_the_rest_goes_on(store: Store) -> None:
    clock = Clock()
    async with receiving() as receiver, sending(store, clock=clock):
        receiver.reply = lambda _request, event: 422 if event["id"] == "34-1" else 200
        await add_endpoint(store, receiver.url)
        await edit(store, 34, 3, 4)
        await edit(store, 35, 3)
        await until(lambda: receiver.ids == ["35-1"])
        clock.ahead = DAY + HOUR
        await edit(store, 36, 3)
        await until(lambda: sorted(receiver.ids) == ["34-2", "35-1", "36-1"])
        await asyncio.sleep(0.3)
        assert [item.event_id for item in await endpoints.parked(store, "ep_1")] == ["34-1"]
        receiver.reply = lambda _request, _event: 200
        items = await endpoints.parked(store, "ep_1")
        await endpoints.take_out(store, "ep_1", "parked", items, again=True)
        await endpoints.change(store, "ep_1", lambda one: one)
        await until(lambda: "34-1" in receiver.ids)


async def test_one_bad_endpoint_does_not_hold_up_another(store: Store) -> None:
    async with receiving() as good, receiving() as bad, sending(store):
        bad.reply = lambda request, _event: hang(request)
        await add_endpoint(store, bad.url, "ep_bad")
        await add_endpoint(store, good.url, "ep_good")
        for number in range(30):
            await edit(store, number, 3)
        await until(lambda: len(good.taken) == 30, patience=3)


async def test_while_an_endpoint_is_down_one_event_is_tried_and_all_arrive_in_the_end(store: Store) -> None:
    async with receiving() as receiver, sending(store):
        receiver.reply = lambda _request, _event: 500
        await add_endpoint(store, receiver.url)
        for number in range(60):
            await edit(store, number, 3)
        before = len(receiver.attempts)
        await asyncio.sleep(1.5)
        # One at a time, each after a pause of at least 80 ms here.
        assert len(receiver.attempts) - before < 20
        receiver.reply = lambda _request, _event: 200
        await until(lambda: len(receiver.taken) == 60)


async def test_filters_choose_by_kind_business_and_partner(store: Store) -> None:
    async with receiving() as receiver, sending(store):
        await add_endpoint(store, receiver.url, kinds=("updated", "forgotten"), business_ids=("b1", "b2"))
        for review_id, business in ((1, "b1"), (2, "b2"), (3, "b3")):
            review = make_review(review_id, business_id=business)
            await apply(store, (review_id, START, make_body(review)))
            edited = review | {"rating": 5, "update_date": "2025-09-13T00:00:00Z"}
            await apply(store, (review_id, START + DAY, make_body(edited)))
        await until(lambda: len(receiver.taken) == 2)
        await asyncio.sleep(0.2)
    assert receiver.ids == ["1-2", "2-2"]


async def test_google_s_flicker_reaches_nobody_who_holds_disappearances(store: Store) -> None:
    async with receiving() as receiver, sending(store):
        start = now_ms() - HOUR
        await add_endpoint(store, receiver.url, hold_vanished=2 * HOUR)
        live = make_review(34)
        await apply(store, (34, start, make_body(live)))
        await apply(store, (34, start + 60_000, make_body(make_deletion(live, None))))
        await apply(store, (34, start + 120_000, make_body(live)))
        await apply(store, (35, start, make_body(make_review(35))))
        await until(lambda: len(receiver.taken) == 2)
        await asyncio.sleep(0.4)
    assert receiver.ids == ["34-1", "35-1"]


async def test_a_disappearance_that_lasts_is_told_when_its_time_has_come(store: Store) -> None:
    clock = Clock()
    async with receiving() as receiver, sending(store, clock=clock):
        start = now_ms() - HOUR
        await add_endpoint(store, receiver.url, hold_vanished=2 * HOUR)
        live = make_review(34)
        await apply(store, (34, start, make_body(live)))
        await apply(store, (34, start + 60_000, make_body(make_deletion(live, None))))
        await until(lambda: receiver.ids == ["34-1"])
        await asyncio.sleep(0.3)
        assert receiver.ids == ["34-1"]
        clock.ahead = 3 * HOUR
        await until(lambda: receiver.ids == ["34-1", "34-2"])


async def test_a_return_with_other_words_within_the_hold_is_told_as_an_update(store: Store) -> None:
    async with receiving() as receiver, sending(store):
        start = now_ms() - HOUR
        await add_endpoint(store, receiver.url, hold_vanished=2 * HOUR)
        live = make_review(34)
        await apply(store, (34, start, make_body(live)))
        await apply(store, (34, start + 60_000, make_body(make_deletion(live, None))))
        back = live | {"rating": 5, "update_date": "2025-09-05T00:00:00Z"}
        await apply(store, (34, start + 120_000, make_body(back)))
        await until(lambda: receiver.ids == ["34-1", "34-3"])
    assert receiver.taken[1]["type"] == "reviewmirror.review.updated"
    assert receiver.taken[1]["data"]["fields"]["rating"] == [3, 5]


async def test_an_erased_review_is_told_of_with_its_id_alone_and_nothing_of_it_is_sent_after(store: Store) -> None:
    async with receiving() as receiver, sending(store):
        receiver.reply = lambda _request, _event: 500
        await add_endpoint(store, receiver.url)
        await edit(store, 34, 3)
        await until(lambda: receiver.attempts)
        await edit(store, 34, 4, day=4)
        await forgetting.demand(store, [34])
        await Drainer(store, Policy()).run()
        await asyncio.sleep(0.3)
        receiver.reply = lambda _request, _event: 200
        await until(lambda: any(event["type"].endswith("forgotten") for event in receiver.taken))
    after = receiver.taken
    assert after[-1]["data"] == {"id": 34}
    assert all("Magasin" not in json.dumps(event) for event in after)


async def test_a_private_address_is_not_connected_to_unless_that_is_allowed(store: Store) -> None:
    async with receiving() as receiver, sending(store, allow_private=False):
        await add_endpoint(store, receiver.url.replace("127.0.0.1", "localhost"))
        await edit(store, 34, 3)

        async def refused() -> Any:
            standing = await endpoints.standing(store, await endpoints.get(store, "ep_1"), now_ms())
            return standing.answers

        (answer, *_) = await wait_until(refused)
    assert "not a public address" in answer.error
    assert receiver.attempts == []


async def test_of_two_workers_one_sends_and_the_other_takes_over(store: Store) -> None:
    async with receiving() as receiver:
        await add_endpoint(store, receiver.url)
        async with sending(store, holder="second"):
            async with sending(store, holder="first"):
                await edit(store, 34, 3)
                await until(lambda: receiver.attempts)
                await asyncio.sleep(0.3)
            await edit(store, 34, 4, day=3)
            await until(lambda: len(receiver.taken) == 2)
    assert receiver.ids == ["34-1", "34-2"]


async def test_what_the_feed_no_longer_keeps_is_said_and_not_skipped(store: Store) -> None:
    await edit(store, 34, 3, 4, 5)
    first = (await store.redis.xrange(keys.FEED, count=1))[0][0].decode()
    await store.redis.xtrim(keys.FEED, maxlen=1, approximate=False)
    async with receiving() as receiver, sending(store):
        await add_endpoint(store, receiver.url, cursor=Position.read(first))

        async def expired() -> bool:
            return (await endpoints.get(store, "ep_1")).state is State.CURSOR_EXPIRED

        await wait_until(expired)
        assert receiver.attempts == []


async def test_while_two_secrets_are_right_both_sign(store: Store) -> None:
    async with receiving() as receiver, sending(store):
        await add_endpoint(store, receiver.url)
        fresh = make_secret(bytes(32))
        both = (Secret(fresh), Secret(SECRET, now_ms() + HOUR))
        await endpoints.change(store, "ep_1", lambda one: msgspec.structs.replace(one, secrets=both))
        await asyncio.sleep(0.3)
        await edit(store, 34, 3)
        await until(lambda: receiver.taken)
    for secret in (fresh, SECRET):
        Webhook(secret).verify(receiver.bodies[0], receiver.headers[0])


async def test_a_sender_that_stops_in_order_repeats_nothing(store: Store) -> None:
    async with receiving() as receiver:
        await add_endpoint(store, receiver.url)
        async with sending(store):
            for number in range(20):
                await edit(store, number, 3)
            await until(lambda: len(receiver.taken) == 20)
        async with sending(store):
            await asyncio.sleep(0.4)
        assert sorted(receiver.ids) == sorted(f"{number}-1" for number in range(20))
        standing = await endpoints.standing(store, await endpoints.get(store, "ep_1"), now_ms())
        assert (standing.lag_events, standing.delivered) == (0, 20)


async def flicker(store: Store, review_id: int, gone_at: int, back_at: int, **new: Any) -> None:
    """Have a review, seen an hour before, vanish and come back at moments in ms."""
    live = make_review(review_id)
    await apply(store, (review_id, gone_at - HOUR, make_body(live)))
    await apply(store, (review_id, gone_at, make_body(make_deletion(live, None))))
    await apply(store, (review_id, back_at, make_body(live | new)))


async def test_who_asked_for_disappearances_alone_hears_of_none_that_healed(store: Store) -> None:
    clock = Clock()
    start = now_ms()
    await flicker(store, 34, start - 3 * HOUR, start - 2 * HOUR)
    await flicker(store, 35, start - 5 * HOUR, start - 2 * HOUR)
    async with receiving() as receiver, sending(store, clock=clock):
        await add_endpoint(store, receiver.url, hold_vanished=2 * HOUR, kinds=("vanished",))
        clock.ahead = 3 * HOUR
        await until(lambda: receiver.taken)
        await asyncio.sleep(0.3)
    assert receiver.ids == ["35-2"]


async def test_what_healed_while_no_worker_ran_is_told_to_nobody(store: Store) -> None:
    clock = Clock()
    start = now_ms()
    live = make_review(34)
    async with receiving() as receiver:
        await add_endpoint(store, receiver.url, hold_vanished=2 * HOUR)
        async with sending(store, clock=clock):
            await apply(store, (34, start - 2 * HOUR, make_body(live)))
            await apply(store, (34, start - HOUR, make_body(make_deletion(live, None))))
            await until(lambda: receiver.taken)
        await apply(store, (34, start, make_body(live)))
        clock.ahead = 2 * HOUR
        async with sending(store, clock=clock):
            await apply(store, (35, start, make_body(make_review(35))))
            await until(lambda: "35-1" in receiver.ids)
            await asyncio.sleep(0.3)
    assert receiver.ids == ["34-1", "35-1"]


async def test_what_is_told_as_an_update_to_one_is_told_as_a_return_to_others(store: Store) -> None:
    start = now_ms()
    async with receiving() as patient, receiving() as eager, sending(store):
        await add_endpoint(store, patient.url, "ep_a", hold_vanished=2 * HOUR)
        await add_endpoint(store, eager.url, "ep_b")
        await flicker(store, 34, start - HOUR, start - HOUR // 2, rating=5, update_date="2025-09-05T00:00:00Z")
        await until(lambda: len(patient.taken) == 2 and len(eager.taken) == 3)
    assert [event["type"].rpartition(".")[2] for event in eager.taken] == ["first_seen", "vanished", "reappeared"]
    assert [event["type"].rpartition(".")[2] for event in patient.taken] == ["first_seen", "updated"]
    assert eager.taken[2]["data"]["missing_for"] == 1800


async def test_stopping_while_something_fails_repeats_nothing_that_was_taken_behind_it(store: Store) -> None:
    async with receiving() as receiver:
        receiver.reply = lambda _request, event: 500 if event["subject"] == "1" else 200
        await add_endpoint(store, receiver.url)
        async with sending(store):
            await edit(store, 1, 3, 4)
            await edit(store, 2, 3)
            await until(lambda: receiver.ids == ["2-1"])
        receiver.reply = lambda _request, _event: 200
        async with sending(store):
            await until(lambda: len(receiver.taken) == 3)
            await asyncio.sleep(0.3)
    assert receiver.ids == ["2-1", "1-1", "1-2"]


async def test_changing_an_endpoint_repeats_nothing(store: Store) -> None:
    async with receiving() as receiver, sending(store):
        await add_endpoint(store, receiver.url)
        for number in range(30):
            await edit(store, number, 3)
            await endpoints.change(store, "ep_1")
        await until(lambda: len(receiver.taken) == 30)
        await asyncio.sleep(0.5)
    assert sorted(receiver.ids) == sorted(f"{number}-1" for number in range(30))


async def test_a_replay_tells_of_each_review_in_order_also_of_what_was_pending(store: Store) -> None:
    async with receiving() as receiver, sending(store):
        receiver.reply = lambda _request, event: 500 if event["id"] == "34-3" else 200
        await add_endpoint(store, receiver.url)
        await edit(store, 34, 3, 4, 5)
        await until(lambda: receiver.ids == ["34-1", "34-2"])

        async def pending() -> Any:
            return await endpoints.pending(store, "ep_1")

        await wait_until(pending)
        receiver.taken.clear()
        await endpoints.change(store, "ep_1", cursor=Position(0))
        await until(lambda: receiver.ids == ["34-1", "34-2"])
        receiver.reply = lambda _request, _event: 200
        await until(lambda: len(receiver.taken) >= 3)
        await asyncio.sleep(0.3)
    assert receiver.ids == ["34-1", "34-2", "34-3"]


async def test_an_endpoint_that_hangs_does_not_keep_another_from_its_lease(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "ENDPOINT_LEASE_MS", 400)
    async with receiving() as good, receiving() as bad, sending(store):
        bad.reply = lambda request, _event: hang(request)
        await add_endpoint(store, bad.url, "ep_bad")
        await add_endpoint(store, good.url, "ep_good")
        await edit(store, 34, 3)
        await until(lambda: bad.attempts and good.taken)
        await endpoints.change(store, "ep_bad")  # its sender has to wait for the answer before it begins anew
        for _ in range(8):
            assert not await endpoints.hold(store, "ep_good", "another", 1)
            await asyncio.sleep(0.1)


async def test_what_was_pending_ahead_of_the_cursor_is_not_sent_again_when_the_feed_comes_to_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await edit(store, 34, 3)
    ((position, _),) = await store.redis.xrange(keys.FEED)
    has_more = Follower.has_more
    async with receiving() as receiver:
        # The feed is read only once the pending one was taken.
        monkeypatch.setattr(
            Follower, "has_more", lambda follower, after: bool(receiver.taken) and has_more(follower, after)
        )
        await add_endpoint(store, receiver.url)
        item = Item(position=position.decode(), kind="first_seen", review_id=34, version=1, failures=1)
        pending = keys.endpoint("ep_1", "pending")
        await store.redis.execute_command("HSET", pending, item.position, endpoints.encode_item(item))
        async with sending(store):
            await until(lambda: receiver.taken)
            await asyncio.sleep(0.3)
            await edit(store, 35, 3)
            await until(lambda: "35-1" in receiver.ids)
    assert receiver.ids == ["34-1", "35-1"]
