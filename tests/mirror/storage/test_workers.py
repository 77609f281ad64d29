"""Which workers are alive, and which died without another taking their place."""

from mirror.clock import now_ms
from mirror.storage import keys, workers
from mirror.storage.store import Store
from mirror.storage.workers import OVERLAP_MS, Life

NOW = 1_000_000_000
DEAD = NOW - keys.WORKER_ALIVE_MS - 1


def test_a_worker_that_died_is_lost_until_another_began_after_it() -> None:
    lives = {"old": Life(0, DEAD), "beside": Life(0, NOW)}
    assert workers.lost(lives, NOW) == ["old"]
    assert workers.lost(lives | {"new": Life(DEAD, NOW)}, NOW) == []


def test_each_newcomer_replaces_one() -> None:
    lives = {"one": Life(0, DEAD), "two": Life(0, DEAD - 1), "new": Life(DEAD, NOW)}
    assert workers.lost(lives, NOW) == ["two"]
    assert workers.lost(lives | {"newer": Life(NOW, NOW)}, NOW) == []


def test_at_a_release_the_new_worker_may_have_begun_before_the_old_one_died() -> None:
    assert workers.lost({"old": Life(0, DEAD), "new": Life(DEAD - OVERLAP_MS, NOW)}, NOW) == []
    assert workers.lost({"old": Life(0, DEAD), "new": Life(DEAD - OVERLAP_MS - 1, NOW)}, NOW) == ["old"]


async def test_a_worker_that_leaves_is_not_lost_and_nothing_of_it_is_kept(store: Store) -> None:
    for name in ("stays", "leaves"):
        await workers.beat(store, name)
    await workers.leave(store, "leaves")
    assert set(await workers.fleet(store)) == {"stays"}
    assert await store.redis.execute_command("HKEYS", keys.WORKERS_STARTED) == [b"stays"]


async def test_the_first_heartbeat_stays_and_goes_with_a_worker_that_is_forgotten(store: Store) -> None:
    await workers.beat(store, "one")
    await store.redis.execute_command("HSET", keys.WORKERS_STARTED, "one", 5, "old", 6)
    await store.redis.zadd(keys.WORKERS, {"old": now_ms() - 2 * keys.WORKER_FORGOTTEN_MS})
    await workers.beat(store, "one")
    assert (await workers.fleet(store))["one"].first_beat == 5
    assert await store.redis.execute_command("HKEYS", keys.WORKERS_STARTED) == [b"one"]
