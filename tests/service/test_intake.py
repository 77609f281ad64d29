"""Deliveries that arrive in one turn of the event loop are taken together; what becomes of one concerns no other."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from mirror.domain.changes import Source
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.signature import parse_public_keys
from mirror.domain.wire import UndecodableError
from mirror.storage.store import Store
from service.errors import ServiceError
from service.webhook import intake
from service.webhook.batch_writer import BatchWriter
from service.webhook.delivery import Delivery
from service.webhook.intake import Intake
from service.webhook.memory_guard import MemoryGuard
from service.webhook.worker_notifier import WorkerNotifier
from tests.service.support import inbox_of
from tests.support import SIGNER, make_body, make_other_event, make_review

BODY = make_body(make_review())


@pytest.fixture
def taking(store: Store) -> Intake:
    writer = BatchWriter(store, WorkerNotifier(store), MemoryGuard(store), lambda _batch: None)
    return Intake(parse_public_keys(SIGNER.public_key), writer.add, lambda _body: None)


def make_delivery(number: int, body: bytes = BODY, **headers: str) -> Delivery:
    headers = {"X_Partoo_Signature_v1": SIGNER.sign(body), **headers}
    return Delivery(
        request=make_mocked_request("POST", "/", {name.replace("_", "-"): value for name, value in headers.items()}),
        entry=Entry(make_delivery_id(number, number), number, Source.WEBHOOK, body),
        started=time.perf_counter(),
        done=asyncio.get_running_loop().create_future(),
    )


def noting(steps: list[str], name: str, step: Callable[..., Any]) -> Callable[..., Any]:
    def noted(*given: Any) -> Any:
        steps.append(name)
        return step(*given)

    return noted


async def take(taking: Intake, *deliveries: Delivery) -> list[Any]:
    for delivery in deliveries:
        taking.take(delivery)
    async with asyncio.timeout(5):
        return await asyncio.gather(*(delivery.done for delivery in deliveries), return_exceptions=True)


async def test_each_delivery_of_a_turn_has_the_outcome_that_it_would_have_alone(taking: Intake, store: Store) -> None:
    outcomes = await take(
        taking,
        make_delivery(1),
        make_delivery(2, X_Partoo_Signature_v1=SIGNER.sign(BODY + b" ")),
        make_delivery(3, b"not JSON"),
        make_delivery(4, make_other_event()),
        make_delivery(5, X_Partoo_Webhook_Tryout="1"),
        make_delivery(6),
    )
    wrong, undecodable = outcomes[1], outcomes[2]
    assert isinstance(wrong, ServiceError)
    assert (wrong.status, wrong.code) == (401, "signature_wrong")
    assert isinstance(undecodable, UndecodableError)
    assert [outcomes[0], *outcomes[3:]] == ["accepted", "ignored", "tryout", "accepted"]
    assert [entry.received_at for entry in await inbox_of(store, 34)] == [1, 6]


async def test_all_deliveries_of_a_turn_take_a_step_before_any_takes_the_next(
    taking: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    for name in ("verify", "identify"):
        monkeypatch.setattr(intake, name, noting(steps, name, getattr(intake, name)))
    await take(taking, *map(make_delivery, range(3)))
    assert steps == ["verify"] * 3 + ["identify"] * 3


async def test_what_nobody_foresaw_reaches_the_delivery_that_it_befell_and_no_other(
    taking: Intake, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def identify(body: bytes) -> tuple[str, int]:
        if body != BODY:
            raise MemoryError("no room")
        return "review_updated", 34

    monkeypatch.setattr(intake, "identify", identify)
    first, second, third = await take(taking, make_delivery(1), make_delivery(2, b"{}"), make_delivery(3))
    assert (first, third) == ("accepted", "accepted")
    assert isinstance(second, MemoryError)
    assert [entry.received_at for entry in await inbox_of(store, 34)] == [1, 3]


async def test_a_delivery_whose_handler_has_been_cancelled_is_not_stored(taking: Intake, store: Store) -> None:
    cancelled = make_delivery(1)
    taking.take(cancelled)
    cancelled.done.cancel()
    assert await take(taking, make_delivery(2)) == ["accepted"]
    assert [entry.received_at for entry in await inbox_of(store, 34)] == [2]


async def test_a_delivery_that_arrives_while_others_are_stored_is_taken_in_its_turn(
    taking: Intake, store: Store
) -> None:
    first = make_delivery(1)
    taking.take(first)
    await asyncio.sleep(0)
    assert not first.done.done()
    assert await take(taking, make_delivery(2)) == ["accepted"]
    assert await first.done == "accepted"
    assert [entry.received_at for entry in await inbox_of(store, 34)] == [1, 2]


async def test_many_are_taken_a_part_at_a_time_in_their_order(
    taking: Intake, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    monkeypatch.setattr(intake, "MAX_BATCH", 2)
    for name in ("verify", "identify"):
        monkeypatch.setattr(intake, name, noting(steps, name, getattr(intake, name)))
    assert await take(taking, *map(make_delivery, range(5))) == ["accepted"] * 5
    two_at_a_time = ["verify", "verify", "identify", "identify"]
    assert steps == [*two_at_a_time, *two_at_a_time, "verify", "identify"]
    assert [entry.received_at for entry in await inbox_of(store, 34)] == [0, 1, 2, 3, 4]
