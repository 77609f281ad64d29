"""Redis away, hung or full: nothing is answered 200 that is not stored, and Partoo is told to send again.

Also the writing in groups that this rests on.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
import redis
from aiohttp import ClientResponse
from aiohttp.test_utils import make_mocked_request

from mirror.domain.changes import Source
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.storage import connection, keys
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.inbox_entries import decode_entry
from mirror.storage.redis_clock import RedisClock
from mirror.storage.store import Store
from service.errors import NotStoredError
from service.webhook import batch_writer
from service.webhook.batch_writer import BatchWriter
from service.webhook.delivery import Delivery
from service.webhook.memory_guard import MemoryGuard
from service.webhook.worker_notifier import WorkerNotifier
from tests.conftest import StartService
from tests.service.conftest import OwnRedis
from tests.service.support import check_unavailable, inbox_of
from tests.support import READ, Client, make_body, make_other_event, make_review, send, wait_until

BODY = make_body(make_review())
OTHER_BODY = make_body(make_review(rating=1))
NOT_A_REVIEW = make_other_event()
UNDECODABLE = b"not JSON"
PAUSE_MS = 10_000


@pytest.fixture
def quick_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "COMMAND_TIMEOUT_S", 0.15)
    monkeypatch.setattr(connection, "POOL_TIMEOUT_S", 0.15)
    monkeypatch.setattr(batch_writer, "DEADLINE_S", 0.6)


@pytest.fixture
async def writes_paused(service: Client, store: Store) -> AsyncIterator[Store]:
    """A Redis that holds up all writes until CLIENT UNPAUSE, so that deliveries pile up in the service."""
    await send(service, make_body(make_review(0)))
    # Had a delivery not been sent before, the first write would also load the script.
    await store.redis.execute_command("CLIENT", "PAUSE", PAUSE_MS, "WRITE")
    try:
        yield store
    finally:
        await store.redis.execute_command("CLIENT", "UNPAUSE")


async def unpause(store: Store) -> None:
    await asyncio.sleep(0.2)
    await store.redis.execute_command("CLIENT", "UNPAUSE")


async def writes(store: Store) -> int:
    """Return how many writes of deliveries Redis has seen: no worker runs here, so no other script does."""
    stats: dict[str, dict[str, int]] = await store.redis.info("commandstats")
    return stats["cmdstat_evalsha"]["calls"]


async def accepted_id(answer: ClientResponse) -> str:
    assert answer.status == 200
    said: dict[str, str] = await answer.json()
    assert said["status"] == "accepted"
    return said["delivery_id"]


def stored_ids(own: OwnRedis) -> set[str]:
    """Return the ids of all deliveries in all inboxes."""
    client: redis.Redis = own.client
    found: set[str] = set()
    for name in client.scan_iter(f"{keys.REVIEW_PREFIX}*{keys.INBOX_SUFFIX}", count=1000):
        entries: Any = client.lrange(name, 0, -1)
        found |= {decode_entry(entry).delivery_id for entry in entries}
    return found


async def test_a_delivery_is_refused_with_503_while_redis_is_away(start_service: StartService, dead_url: str) -> None:
    await check_unavailable(await send(await start_service(dead_url), BODY))


async def test_a_dead_letter_is_refused_with_503_while_redis_is_away(
    start_service: StartService, dead_url: str
) -> None:
    await check_unavailable(await send(await start_service(dead_url), UNDECODABLE))


async def test_what_needs_no_redis_is_acknowledged_while_redis_is_away(
    start_service: StartService, dead_url: str
) -> None:
    service = await start_service(dead_url)
    answer = await send(service, NOT_A_REVIEW)
    assert (answer.status, (await answer.json())["status"]) == (200, "ignored")
    answer = await send(service, BODY, X_Partoo_Webhook_Tryout="1")
    assert (answer.status, (await answer.json())["status"]) == (200, "tryout")


async def test_what_is_wrong_with_a_delivery_is_told_also_while_redis_is_away(
    start_service: StartService, dead_url: str
) -> None:
    answer = await (await start_service(dead_url)).post("/webhooks/partoo", data=BODY)
    assert answer.status == 401


async def test_nothing_is_stored_before_the_time_of_redis_is_known(
    start_service: StartService, own_redis: OwnRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_clock: RedisClock, _redis: object) -> None:
        raise StorageUnavailableError

    with monkeypatch.context() as unknown:
        unknown.setattr(RedisClock, "synchronize", fail)
        service = await start_service(own_redis.url)
        for body in (BODY, UNDECODABLE):
            await check_unavailable(await send(service, body))
    assert (await send(service, BODY)).status == 200


async def test_when_redis_is_back_the_same_process_accepts_again_and_has_lost_nothing(
    start_service: StartService, own_redis: OwnRedis
) -> None:
    service = await start_service(own_redis.url)
    before = await accepted_id(await send(service, BODY))
    await asyncio.to_thread(own_redis.stop)
    for _ in range(3):
        await check_unavailable(await send(service, BODY))
    await asyncio.to_thread(own_redis.start)
    after = await accepted_id(await send(service, BODY))
    assert stored_ids(own_redis) == {before, after}


@pytest.mark.usefixtures("quick_deadlines")
async def test_a_delivery_is_refused_with_503_while_redis_hangs_and_accepted_afterwards(
    start_service: StartService, hung_redis: OwnRedis
) -> None:
    service = await start_service(hung_redis.url)
    before = await accepted_id(await send(service, BODY))
    hung_redis.hang()
    for body in (BODY, UNDECODABLE):
        await check_unavailable(await send(service, body))
    hung_redis.resume()
    after = await accepted_id(await send(service, BODY))
    assert {before, after} <= stored_ids(hung_redis)


@pytest.mark.usefixtures("quick_deadlines")
async def test_every_answer_comes_in_time_when_new_connections_meet_a_redis_that_hangs(
    start_service: StartService, hung_redis: OwnRedis
) -> None:
    service = await start_service(hung_redis.url)
    hung_redis.hang()
    asking = [
        asyncio.create_task(send(service, BODY)),
        asyncio.create_task(send(service, UNDECODABLE)),
        *(asyncio.create_task(service.get(path, headers=READ)) for path in ("/reviews/34", "/readyz", "/metrics")),
    ]
    await asyncio.wait(asking, timeout=2)
    in_time = [task.result().status if task.done() else "no answer" for task in asking]
    hung_redis.resume()
    await asyncio.gather(*asking)
    assert in_time == [503, 503, 503, 503, 200]


async def test_a_delivery_is_refused_with_503_at_the_deadline_although_its_write_may_still_succeed(
    start_service: StartService, hung_redis: OwnRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = await start_service(hung_redis.url)
    before = await accepted_id(await send(service, BODY))
    hung_redis.hang()
    monkeypatch.setattr(batch_writer, "DEADLINE_S", 0.1)
    await check_unavailable(await send(service, BODY))
    hung_redis.resume()
    monkeypatch.undo()
    after = await accepted_id(await send(service, BODY))
    assert {before, after} <= stored_ids(hung_redis)


async def test_a_delivery_whose_deadline_passed_before_its_write_is_not_written(
    service: Client, writes_paused: Store
) -> None:
    under_way = asyncio.create_task(send(service, BODY))
    await asyncio.sleep(0.1)
    waits = asyncio.create_task(send(service, OTHER_BODY))
    for one in (under_way, waits):
        await check_unavailable(await one)
    await unpause(writes_paused)
    await accepted_id(await send(service, BODY))
    # The write that was under way may have got through, whatever its sender was told; the one behind it never left.
    bodies = [entry.body for entry in await inbox_of(writes_paused, 34)]
    assert bodies[-1] == BODY
    assert OTHER_BODY not in bodies


async def test_each_delivery_has_a_deadline_of_its_own(service: Client, writes_paused: Store) -> None:
    first = asyncio.create_task(send(service, BODY))
    await asyncio.sleep(0.3)
    second = asyncio.create_task(send(service, OTHER_BODY))
    await check_unavailable(await first)
    assert not second.done()
    await unpause(writes_paused)
    await accepted_id(await second)


async def test_a_delivery_is_refused_with_503_while_redis_is_full_and_accepted_when_there_is_room(
    start_service: StartService, own_redis: OwnRedis
) -> None:
    service = await start_service(own_redis.url)
    before = await accepted_id(await send(service, BODY))
    own_redis.configure("maxmemory", 1)
    for body in (BODY, UNDECODABLE):
        await check_unavailable(await send(service, body))
    assert stored_ids(own_redis) == {before}
    own_redis.configure("maxmemory", 0)
    after = await accepted_id(await send(service, BODY))
    assert stored_ids(own_redis) == {before, after}


async def test_each_delivery_of_a_group_whose_write_fails_is_refused_with_503(
    start_service: StartService, own_redis: OwnRedis
) -> None:
    service = await start_service(own_redis.url)
    await accepted_id(await send(service, BODY))
    own_redis.configure("maxmemory", 1)
    calls = own_redis.client.info("commandstats")["cmdstat_evalsha"]["calls"]
    own_redis.client.execute_command("CLIENT", "PAUSE", 200, "WRITE")
    for answer in await asyncio.gather(*(send(service, make_body(make_review(number))) for number in range(50))):
        await check_unavailable(answer)
    assert own_redis.client.info("commandstats")["cmdstat_evalsha"]["calls"] - calls < 10
    assert len(stored_ids(own_redis)) == 1


@pytest.mark.usefixtures("quick_deadlines")
async def test_nothing_answered_200_is_missing_however_redis_fails_meanwhile(
    start_service: StartService, hung_redis: OwnRedis
) -> None:
    service = await start_service(hung_redis.url)
    numbers = itertools.count(1)
    stop = asyncio.Event()
    accepted: set[str] = set()
    refused = 0

    async def keep_sending() -> None:
        nonlocal refused
        while not stop.is_set():
            answer = await send(service, make_body(make_review(next(numbers) % 100)))
            if answer.status == 200:
                accepted.add(await accepted_id(answer))
            else:
                await check_unavailable(answer)
                refused += 1
                await asyncio.sleep(0.02)

    senders = [asyncio.create_task(keep_sending()) for _ in range(8)]
    await asyncio.sleep(0.2)
    hung_redis.hang()
    await asyncio.sleep(0.4)
    hung_redis.resume()
    await asyncio.sleep(0.2)
    hung_redis.configure("maxmemory", 1)
    await asyncio.sleep(0.1)
    hung_redis.configure("maxmemory", 0)
    await asyncio.sleep(0.2)
    await asyncio.to_thread(hung_redis.stop)
    await asyncio.to_thread(hung_redis.start)
    before_the_end = len(accepted)

    async def accepts_again() -> bool:
        return len(accepted) > before_the_end + 20

    await wait_until(accepts_again)
    stop.set()
    await asyncio.gather(*senders)
    assert refused > 0
    assert accepted - stored_ids(hung_redis) == set()


async def test_deliveries_that_wait_at_the_same_moment_share_few_writes(service: Client, writes_paused: Store) -> None:
    before = await writes(writes_paused)
    sending = [asyncio.create_task(send(service, make_body(make_review(number)))) for number in range(1, 101)]
    await unpause(writes_paused)
    ids = [await accepted_id(answer) for answer in await asyncio.gather(*sending)]
    assert await writes(writes_paused) - before <= 3
    assert [[entry.delivery_id for entry in await inbox_of(writes_paused, number)] for number in range(1, 101)] == [
        [delivery_id] for delivery_id in ids
    ]


async def test_a_delivery_that_comes_alone_is_written_at_once(service: Client, store: Store) -> None:
    await accepted_id(await send(service, BODY))
    before = await writes(store)
    for _ in range(5):
        await accepted_id(await send(service, BODY))
    assert await writes(store) - before == 5


async def test_a_group_larger_than_one_write_takes_several(store: Store) -> None:
    group = make_group(store)
    await add(group, waiting(0, review_id=0))
    before = await writes(store)
    await add(group, *map(waiting, range(batch_writer.MAX_BATCH * 2 + 1)))
    assert await writes(store) - before == 3
    assert [one.received_at for one in await inbox_of(store, 34)] == list(range(batch_writer.MAX_BATCH * 2 + 1))


async def test_more_bytes_than_one_write_may_hold_take_several(store: Store) -> None:
    group = make_group(store)
    await add(group, waiting(0, review_id=0))
    before = await writes(store)
    await add(group, *(waiting(number, bytes(1024 * 1024)) for number in range(6)))
    assert await writes(store) - before == 2
    assert [one.received_at for one in await inbox_of(store, 34)] == list(range(6))


async def test_closing_waits_for_what_is_still_to_be_written(store: Store) -> None:
    group = make_group(store)
    deliveries = list(map(waiting, range(10)))
    for delivery in deliveries:
        group.add(delivery)
    await group.close()
    assert [delivery.done.result() for delivery in deliveries] == ["accepted"] * 10
    assert len(await inbox_of(store, 34)) == 10


async def test_more_deliveries_than_may_wait_are_refused_with_503(
    service: Client, writes_paused: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_writer, "MAX_WAITING", 3)
    await check_that_some_are_refused(service, writes_paused, accepted=4, refused=2)


async def test_more_bytes_than_may_wait_are_refused_with_503(
    service: Client, writes_paused: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_writer, "MAX_WAITING_BYTES", 2 * len(BODY))
    await check_that_some_are_refused(service, writes_paused, accepted=3, refused=3)


async def check_that_some_are_refused(service: Client, store: Store, *, accepted: int, refused: int) -> None:
    """Send one delivery, whose write is under way then, and five more that have to wait for it."""
    sending = [asyncio.create_task(send(service, BODY))]
    await asyncio.sleep(0.1)
    sending += [asyncio.create_task(send(service, BODY)) for _ in range(5)]
    await unpause(store)
    answers = await asyncio.gather(*sending)
    assert sorted(answer.status for answer in answers) == [200] * accepted + [503] * refused
    for answer in answers:
        if answer.status == 503:
            await check_unavailable(answer)
    ids = {await accepted_id(answer) for answer in answers if answer.status == 200}
    assert {one.delivery_id for one in await inbox_of(store, 34)} == ids
    assert len(await inbox_of(store, 34)) == accepted
    assert (await send(service, BODY)).status == 200


async def test_when_the_bound_is_reached_the_refused_one_says_why(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_writer, "MAX_WAITING", 3)
    group = make_group(store)
    deliveries = list(map(waiting, range(3)))
    for delivery in deliveries:
        group.add(delivery)
    for number in range(3, 5):
        with pytest.raises(NotStoredError, match="too many deliveries wait to be stored"):
            group.add(waiting(number))
    assert await asyncio.gather(*(delivery.done for delivery in deliveries)) == ["accepted"] * 3


async def test_deliveries_of_one_sender_lie_in_the_inbox_in_the_order_in_which_they_were_acknowledged(
    service: Client, store: Store
) -> None:
    async def send_in_turn(review_id: int) -> list[str]:
        return [
            await accepted_id(await send(service, make_body(make_review(review_id, number=number))))
            for number in range(20)
        ]

    ids = await asyncio.gather(*(send_in_turn(review_id) for review_id in range(5)))
    assert [[one.delivery_id for one in await inbox_of(store, review_id)] for review_id in range(5)] == ids


async def test_only_what_was_stored_in_time_is_told_of_and_before_it_is_answered(store: Store) -> None:
    told: list[Delivery] = []
    group = make_group(store, told.extend)
    in_time, late = waiting(1), waiting(2)
    group.add(in_time)
    group.add(late)
    # Now both are being written.
    await asyncio.sleep(0)
    late.done.set_exception(NotStoredError("too late"))
    await in_time.done
    assert told == [in_time]
    assert isinstance(late.done.exception(), NotStoredError)


async def test_what_goes_wrong_with_telling_keeps_no_delivery_from_being_answered(store: Store) -> None:
    def fail(_group: object) -> None:
        raise OSError("no space left for logs")

    stray: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: stray.append(context))
    group = make_group(store, fail)
    await add(group, *map(waiting, range(batch_writer.MAX_BATCH + 1)))
    assert [str(context["exception"]) for context in stray] == ["no space left for logs"] * 2


def make_group(store: Store, stored: Callable[[Sequence[Delivery]], None] = lambda _group: None) -> BatchWriter:
    return BatchWriter(store, WorkerNotifier(store), MemoryGuard(store), stored)


async def add(group: BatchWriter, *deliveries: Delivery) -> None:
    for delivery in deliveries:
        group.add(delivery)
    assert set(await asyncio.gather(*(delivery.done for delivery in deliveries))) == {"accepted"}


def waiting(number: int, body: bytes = BODY, review_id: int = 34) -> Delivery:
    entry = Entry(make_delivery_id(number, number), number, Source.WEBHOOK, body)
    done = asyncio.get_running_loop().create_future()
    request = make_mocked_request("POST", "/")
    return Delivery(request=request, entry=entry, done=done, started=0, review_id=review_id)
