"""Of identical bodies that cannot be read one dead letter is kept, with how often they came."""

import msgspec

from mirror.clock import now_ms
from mirror.domain.dead_letters import DeadLetter
from mirror.domain.inbox import make_delivery_id
from mirror.domain.record import Windows
from mirror.storage import dead_letters, keys
from mirror.storage.retrying import Outcome, retry
from mirror.storage.store import Store
from tests.corrupt import BAD_RECORDS
from tests.mirror.mirrored import accept, drain
from tests.support import make_body, make_review


def letter(number: int, body: bytes) -> DeadLetter:
    at = now_ms() + number
    return DeadLetter(make_delivery_id(at, number), at, "not_json", "the body is not JSON", body)


async def test_the_newest_of_identical_bodies_stays_and_tells_of_the_others(store: Store) -> None:
    letters = [letter(number, body) for number, body in enumerate([b"{", b"[", b"{", b"{"])]
    for one in letters:
        await dead_letters.keep(store, one)
    kept = await dead_letters.read(store, await dead_letters.ids(store))
    assert kept == [letters[1], letters[3]]
    told = await dead_letters.copies(store, kept)
    assert [(one.count, one.first_delivery_id) for one in told] == [
        (0, letters[1].delivery_id),
        (2, letters[0].delivery_id),
    ]


async def test_keeping_the_same_letter_again_changes_nothing(store: Store) -> None:
    one = letter(1, b"{")
    for _ in range(2):
        await dead_letters.keep(store, one)
    assert [copies.count for copies in await dead_letters.copies(store, [one])] == [0]


async def test_a_body_that_comes_again_after_its_letter_was_dropped_is_the_first_of_its_kind(store: Store) -> None:
    first, second = letter(1, b"{"), letter(2, b"{")
    await dead_letters.keep(store, first)
    assert await dead_letters.drop(store, first.delivery_id)
    assert await store.redis.exists(keys.DEAD_LETTERS, keys.DEAD_BODIES) == 0
    assert not await dead_letters.drop(store, first.delivery_id)
    await dead_letters.keep(store, second)
    assert [copies.count for copies in await dead_letters.copies(store, [second])] == [0]


async def test_what_a_worker_cannot_apply_is_kept_once_too_and_retried_as_the_newest(store: Store) -> None:
    bodies = [make_body(make_review(rating=rating)) for rating in (1, 2, 1)]
    await store.redis.set(keys.record(34), BAD_RECORDS["not JSON"])
    await accept(store, 34, *bodies)
    await drain(store)
    kept = await dead_letters.read(store, await dead_letters.ids(store))
    assert [one.body for one in kept] == bodies[1:]
    await store.redis.delete(keys.record(34))
    for one in kept:
        assert (await retry(store, one, Windows())).outcome is Outcome.RETRIED
    assert await store.redis.exists(keys.DEAD_LETTERS, keys.DEAD_BODIES) == 0


async def test_a_letter_of_an_earlier_release_stands_beside_a_new_one_with_the_same_body(store: Store) -> None:
    old, new = letter(1, b"{"), letter(2, b"{")
    await store.redis.execute_command("HSET", keys.DEAD_LETTERS, old.delivery_id, msgspec.json.encode(old))
    await dead_letters.keep(store, new)
    assert await dead_letters.ids(store) == [old.delivery_id, new.delivery_id]
    assert [one.count for one in await dead_letters.copies(store, [old, new])] == [0, 0]
