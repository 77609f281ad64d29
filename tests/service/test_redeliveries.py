"""What Partoo will send again is expected: a 503 that was answered, a 200 that nobody was there to receive."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from mirror.clock import now_ms
from mirror.domain.changes import Certainty, Source
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.lifecycle import Status
from mirror.storage import failed_attempts, inbox, keys, reads
from mirror.storage.store import Store
from service.app_keys import MEMORY_GUARD
from service.errors import NearlyFullError
from service.webhook import failed_attempts as expecting
from tests.conftest import StartService
from tests.mirror.mirrored import kept
from tests.service.conftest import OwnRedis
from tests.service.support import apply, check_unavailable
from tests.support import Client, make_body, make_deletion, make_review, send, signed, wait_until
from worker.deciding import Policy
from worker.drain import Drainer

LIVE = make_review()
EDITED = make_review(rating=1)
BODY = make_body(LIVE)
MINUTE = 60_000
HOUR = 60 * MINUTE


@pytest.fixture(autouse=True)
def quick_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expecting, "FLUSH_INTERVAL_S", 0.05)


@pytest.fixture
async def paused(service: Client, store: Store) -> AsyncIterator[Store]:
    """A Redis that holds up all writes until CLIENT UNPAUSE."""
    await send(service, make_body(make_review(0)))
    await store.redis.execute_command("CLIENT", "PAUSE", 10_000, "WRITE")
    try:
        yield store
    finally:
        await store.redis.execute_command("CLIENT", "UNPAUSE")


async def is_expected(store: Store, body: bytes = BODY) -> int | None:
    return (await failed_attempts.first_attempts(store, [failed_attempts.digest(body)]))[0]


async def test_a_delivery_whose_sender_has_hung_up_before_its_200_is_expected_again(
    service: Client, paused: Store
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    head = "".join(f"{name}: {value}\r\n" for name, value in signed(BODY).items())
    lines = f"POST /webhooks/partoo HTTP/1.1\r\nHost: mirror\r\nContent-Length: {len(BODY)}\r\n{head}\r\n"
    writer.write(lines.encode() + BODY)
    await writer.drain()
    await asyncio.sleep(0.2)
    writer.close()
    await asyncio.sleep(0.2)
    assert reader.at_eof() or not reader.exception()
    before = now_ms()
    await paused.redis.execute_command("CLIENT", "UNPAUSE")

    first_attempt_at = await wait_until(lambda: is_expected(paused))
    assert before - 5_000 < first_attempt_at <= before
    assert await inbox.waiting_for(paused, 34) == 1


async def test_a_delivery_that_is_acknowledged_is_not_expected_again(service: Client, store: Store) -> None:
    assert (await send(service, BODY)).status == 200
    await asyncio.sleep(0.2)
    assert await is_expected(store) is None


async def test_a_delivery_answered_with_503_is_expected_again_once_redis_is_back(
    start_service: StartService, own_redis: OwnRedis
) -> None:
    service = await start_service(own_redis.url)
    await send(service, make_body(make_review(0)))
    own_redis.configure("maxmemory", 1)
    await check_unavailable(await send(service, BODY))
    own_redis.configure("maxmemory", 0)

    async def told() -> bool:
        return bool(own_redis.client.exists(keys.OFFERED_PREFIX + failed_attempts.digest(BODY)))

    await wait_until(told)


# What the worker makes of it


async def tell(store: Store, review: dict[str, object], at: int) -> None:
    entry = Entry(make_delivery_id(at, 0), at, Source.WEBHOOK, make_body(review))
    await inbox.accept(store, [(34, entry)])
    assert await Drainer(store, Policy(delivery_retention=HOUR)).run()


async def kinds(store: Store) -> list[str]:
    found = await reads.record_and_changes(store, 34)
    assert found is not None
    return [str(change.kind) for change in found[1]]


async def test_a_redelivery_of_what_was_offered_before_the_deletion_brings_nothing_back(store: Store) -> None:
    now = now_ms()
    before = make_body(EDITED)
    await apply(store, (34, now - 5 * HOUR, before), (34, now - 10 * MINUTE, make_body(make_deletion(EDITED))))
    await failed_attempts.record(store, {failed_attempts.digest(BODY): now - 20 * MINUTE}, HOUR)
    await tell(store, LIVE, now)
    assert await kinds(store) == ["first_seen", "vanished"]
    record = await reads.record(store, 34)
    assert record is not None
    assert record.certainty is Certainty.UNPROVEN
    # It has come: the next time the same is shown, it is a return.
    assert await is_expected(store) is None
    await tell(store, LIVE, now + 1)
    assert await kinds(store) == ["first_seen", "vanished", "reappeared"]


async def test_a_hang_up_does_not_hide_a_return_of_what_was_mirrored_when_it_happened(store: Store) -> None:
    now = now_ms()
    await apply(store, (34, now - 5 * HOUR, BODY))
    # Whoever has an old body sends it again and hangs up before the 200: it changed nothing.
    await failed_attempts.record(store, {failed_attempts.digest(BODY): now - 20 * MINUTE}, HOUR)
    await apply(store, (34, now - 10 * MINUTE, make_body(make_deletion(LIVE))))
    await tell(store, LIVE, now)
    record = await reads.record(store, 34)
    assert record is not None
    assert (record.status, record.review) == (Status.LIVE, LIVE)
    assert record.certainty is not Certainty.PROVEN


async def test_a_late_first_delivery_offered_before_a_change_with_the_same_clock_does_not_undo_it(store: Store) -> None:
    now = now_ms()
    await failed_attempts.record(store, {failed_attempts.digest(BODY): now - 2_000}, HOUR)
    await tell(store, EDITED, now - 1_000)
    await tell(store, LIVE, now)
    record = await reads.record(store, 34)
    assert record is not None
    assert record.review == EDITED


async def test_a_return_that_was_first_answered_with_503_is_a_return(store: Store) -> None:
    now = now_ms()
    await apply(store, (34, now - 50 * HOUR, BODY), (34, now - 40 * HOUR, make_body(make_deletion(LIVE))))
    await failed_attempts.record(store, {failed_attempts.digest(BODY): now - 60_000}, HOUR)
    await tell(store, LIVE, now)
    assert await kinds(store) == ["first_seen", "vanished", "reappeared"]


async def test_a_delivery_that_was_stored_but_not_acknowledged_is_not_its_own_redelivery(store: Store) -> None:
    now = now_ms()
    await apply(store, (34, now - 5 * HOUR, BODY), (34, now - HOUR, make_body(make_deletion(LIVE))))
    await failed_attempts.record(store, {failed_attempts.digest(BODY): now}, HOUR)
    await tell(store, LIVE, now)
    assert (await kinds(store))[-1] == "reappeared"
    assert await is_expected(store) == now
    # The redelivery, which changes nothing, uses the expectation up.
    await tell(store, LIVE, now + 1_000)
    assert await is_expected(store) is None


async def test_of_two_offered_while_nothing_could_be_stored_the_order_of_offering_counts(
    store: Store,
) -> None:
    now = now_ms()
    older, newer = make_body(make_review(rating=1)), make_body(make_review(rating=2))
    await apply(store, (34, now - 10 * MINUTE, BODY))
    offers = {failed_attempts.digest(older): now - 9_000, failed_attempts.digest(newer): now - 8_000}
    await failed_attempts.record(store, offers, HOUR)
    await tell(store, make_review(rating=1), now - 2_000)
    await tell(store, make_review(rating=2), now - 1_000)
    record = await reads.record(store, 34)
    assert record is not None
    assert record.review["rating"] == 2
    # The other way round, the one offered first changes nothing any more.
    await failed_attempts.record(store, {failed_attempts.digest(older): now - 9_000}, HOUR)
    await tell(store, make_review(rating=1), now)
    record = await reads.record(store, 34)
    assert record is not None
    assert record.review["rating"] == 2


async def test_an_expectation_is_used_up_by_whatever_its_redelivery_means(store: Store) -> None:
    now = now_ms()
    newer = make_review(rating=5, update_date="2025-09-05T10:00:00Z")
    await apply(store, (34, now - 10 * MINUTE, BODY))
    await failed_attempts.record(store, {failed_attempts.digest(make_body(newer)): now - 5_000}, HOUR)
    await tell(store, newer, now - 4_000)
    assert await is_expected(store, make_body(newer)) is None
    # So a return that looks the same is one.
    await tell(store, make_deletion(newer), now - 3_000)
    await tell(store, newer, now)
    assert (await kinds(store))[-1] == "reappeared"


async def test_what_was_refused_but_stored_behind_newer_news_does_not_undo_it(store: Store) -> None:
    """The network held up a write that was answered with 503 after its time, and let it through after the next one."""
    now = now_ms()
    await apply(store, (34, now - 10 * MINUTE, BODY))
    late, newer = make_review(rating=1), make_review(rating=2)
    await failed_attempts.record(store, {failed_attempts.digest(make_body(late)): now - 2_000}, HOUR)
    await tell(store, newer, now - 1_000)
    await tell(store, late, now - 2_000)
    record = await reads.record(store, 34)
    assert record is not None
    assert record.review == newer
    # It is still expected: Partoo sends it again.
    assert await is_expected(store, make_body(late)) == now - 2_000
    assert [entry.first_attempt_at for entry in await kept(store, 34)] == [None, now - 2_000]


async def test_an_offer_that_redis_is_told_of_too_late_keeps_no_return_out(store: Store) -> None:
    """One web process refused it, and before it could say so another one stored its redelivery."""
    now = now_ms()
    await apply(store, (34, now - 50 * MINUTE, make_body(EDITED)), (34, now - 40 * MINUTE + 3_000, BODY))
    await failed_attempts.record(store, {failed_attempts.digest(BODY): now - 40 * MINUTE}, HOUR)
    await tell(store, make_deletion(LIVE), now - 30 * MINUTE)
    await tell(store, LIVE, now)
    assert (await kinds(store))[-1] == "reappeared"


def refuse() -> None:
    raise NearlyFullError


def test_no_outage_makes_a_process_note_more_bodies_than_it_may(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expecting, "MAX_KEPT", 2)
    noting = expecting.FailedAttempts(store, HOUR)
    for number in range(3):
        noting.add(b"%d" % number, number)
    noting.add(b"0", 9)
    assert [noting.first_attempt(b"%d" % number) for number in range(3)] == [0, 1, None]


async def test_what_is_stored_by_the_process_that_refused_it_is_expected_no_longer(
    service: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expecting, "FLUSH_INTERVAL_S", 30)
    assert service.app is not None
    with monkeypatch.context() as refusing:
        refusing.setattr(service.app[MEMORY_GUARD], "check", refuse)
        assert (await send(service, BODY)).status == 503
    assert (await send(service, BODY)).status == 200
    # At its end it tells of what it still expects.
    await service.close()
    assert await is_expected(store) is None


async def test_a_redelivery_that_is_faster_than_the_word_about_it_has_its_first_offer_with_it(
    service: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expecting, "FLUSH_INTERVAL_S", 30)
    older, newer = make_body(make_review(rating=1)), make_body(make_review(rating=2))
    await apply(store, (34, now_ms() - 10 * MINUTE, BODY))
    assert service.app is not None
    with monkeypatch.context() as refusing:
        refusing.setattr(service.app[MEMORY_GUARD], "check", refuse)
        for body in (older, newer):
            assert (await send(service, body)).status == 503
            await asyncio.sleep(0.01)
    for body in (newer, older):
        assert (await send(service, body)).status == 200
    assert await Drainer(store, Policy()).run()
    record = await reads.record(store, 34)
    assert record is not None
    assert record.review["rating"] == 2


async def test_of_many_failed_attempts_the_newest_are_remembered(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "OFFERED_KEPT", 5)
    start = now_ms()
    for group in range(4):
        await failed_attempts.record(store, {f"{group}-{number}": start + group for number in range(3)}, HOUR)
    names = [f"{group}-{number}" for group in range(4) for number in range(3)]
    kept = [
        name
        for name, at in zip(names, await failed_attempts.first_attempts(store, names), strict=True)
        if at is not None
    ]
    assert kept == names[-5:]


async def test_failed_attempts_that_have_ended_make_no_others_end(store: Store) -> None:
    await failed_attempts.record(store, {"old": now_ms() - 2 * HOUR}, HOUR)
    await failed_attempts.record(store, {"new": now_ms()}, HOUR)
    assert await store.redis.zrange(keys.OFFERED_INDEX, 0, -1) == [b"new"]
