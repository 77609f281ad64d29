"""redis-py's errors are mapped once, in the client: nothing else lets them through."""

import builtins
from collections.abc import Callable

import pytest
import redis.exceptions
from arq.connections import ArqRedis

from mirror.settings import Settings
from mirror.storage import keys
from mirror.storage.connection import connect
from mirror.storage.errors import (
    CommandRefusedError,
    StorageUnavailableError,
    is_out_of_memory,
    is_outage,
    mapped,
    mapping,
)
from mirror.storage.store import Store


@pytest.mark.parametrize(
    "foreign",
    [redis.exceptions.ConnectionError("gone"), redis.exceptions.TimeoutError("slow"), OSError("dns"), TimeoutError()],
)
def test_whatever_tells_that_redis_is_away_is_one_error_that_shows_what_it_was(foreign: Exception) -> None:
    with pytest.raises(StorageUnavailableError) as raised, mapping():
        raise foreign
    assert (str(raised.value), repr(raised.value)) == (str(foreign), repr(foreign))
    assert raised.value.__cause__ is foreign


@pytest.mark.parametrize("other", [ValueError("no"), redis.exceptions.WatchError("somebody was faster"), KeyError(1)])
def test_what_does_not_tell_of_an_outage_stays_what_it_is(other: Exception) -> None:
    with pytest.raises(type(other)) as raised, mapping():
        raise other
    assert raised.value is other


def test_an_error_is_mapped_once() -> None:
    once = mapped(OSError("dns"))
    assert mapped(once) is once


@pytest.mark.parametrize(
    ("error", "out_of_memory"), [(redis.exceptions.OutOfMemoryError("OOM"), True), (builtins.OSError("dns"), False)]
)
def test_arqs_errors_and_ours_are_recognized_alike(error: Exception, *, out_of_memory: bool) -> None:
    assert [is_outage(each) for each in (error, mapped(error))] == [True, True]
    assert [is_out_of_memory(each) for each in (error, mapped(error))] == [out_of_memory] * 2


async def test_a_refused_command_raises_the_mirrors_error_alone_and_in_a_pipeline(store: Store) -> None:
    await store.redis.set("text", "one")
    with pytest.raises(CommandRefusedError, match="WRONGTYPE"):
        await store.redis.execute_command("LPUSH", "text", "two")
    async with store.redis.pipeline(transaction=True) as pipe:
        pipe.lpush("text", "two")
        with pytest.raises(CommandRefusedError, match="WRONGTYPE"):
            await pipe.execute()
        pipe.lpush("text", "two")
        [refused] = await pipe.execute(raise_on_error=False)
        assert isinstance(refused, CommandRefusedError)


async def test_a_watched_key_that_changed_raises_what_whoever_watches_it_catches(store: Store) -> None:
    async with store.redis.pipeline(transaction=True) as pipe:
        await pipe.watch("number")
        await store.redis.set("number", 1)
        pipe.multi()
        pipe.set("number", 2)
        with pytest.raises(redis.exceptions.WatchError):
            await pipe.execute()


async def test_a_script_that_the_server_has_forgotten_is_loaded_again(store: Store) -> None:
    await store.redis.execute_command("SCRIPT", "FLUSH")
    assert await store.retry(keys=[keys.DEAD_LETTERS] * 7, args=["none", 1, b"", 1, ""]) in (0, None)


@pytest.mark.parametrize(
    "command",
    [
        lambda client: client.get("key"),
        lambda client: client.pipeline(transaction=True).get("key").execute(),
        lambda client: client.pipeline(transaction=True).watch("key"),
        lambda client: client.enqueue_job("drain"),
        lambda client: client.time(),
    ],
)
async def test_every_way_to_a_redis_that_is_away_raises_the_same(
    settings: Settings, command: Callable[[ArqRedis], object]
) -> None:
    client = connect(settings, "redis://127.0.0.1:1")
    with pytest.raises(StorageUnavailableError):
        await command(client)  # type: ignore[misc]


async def test_arqs_worker_gets_redis_pys_own_errors(settings: Settings) -> None:
    client = connect(settings, "redis://127.0.0.1:1").for_arq()
    with pytest.raises(redis.exceptions.ConnectionError):
        await client.get("key")
