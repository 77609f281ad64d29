"""The Postgres sink on a real Postgres: its tables are the mirror's, whatever fails when."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psycopg
import pytest
from structlog.typing import EventDict

from mirror.postgres import database
from mirror.postgres.rows import Rows
from mirror.stopping import cancel_and_wait
from mirror.storage import forgetting, keys, sink, trimming
from mirror.storage.store import Store
from tests.postgres_support import check_tables, query
from tests.support import wait_until
from tests.worker.support import DAY, HOUR, Mirror
from tools.chaos.tables import wait_until_up_to_date
from tools.dev.postgres import PostgresServer
from worker.postgres import sink as worker_sink
from worker.postgres.sink import PostgresSink


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IDLE_S", "TELL_INTERVAL_S", "STAND_BY_S", "FIRST_BACKOFF_S", "LAST_BACKOFF_S"):
        monkeypatch.setattr(worker_sink, name, 0.02)
    monkeypatch.setattr(worker_sink, "CERTAINTY_INTERVAL_S", 0.1)


@asynccontextmanager
async def running(store: Store, url: str) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(PostgresSink(store, url).run())
    try:
        yield task
    finally:
        await cancel_and_wait(task)


async def tell_stories(mirror: Mirror) -> None:
    """Have reviews appear, change, vanish, return and become gone."""
    await mirror.show(1, 2, 3, 4, 5, 6, rating=3)
    await mirror.later(HOUR)
    await mirror.show(1, rating=4, update_date="2025-09-12T08:30:00Z")
    await mirror.vanish(2, 3)
    await mirror.later(DAY)
    await mirror.show(2)
    await mirror.later(8 * DAY)
    await mirror.vanish(4, rating=5)


async def test_an_empty_database_is_filled_from_the_mirror(
    mirror: Mirror, postgres_url: str, lines: list[EventDict]
) -> None:
    await tell_stories(mirror)
    async with running(mirror.store, postgres_url):
        await check_tables(mirror.store, postgres_url)
    assert query(postgres_url, "SELECT id, status FROM reviews WHERE status <> 'live' ORDER BY id") == [
        (3, "gone"),
        (4, "missing"),
    ]
    assert [line["event"] for line in lines if line["event"].startswith("postgres.")] == [
        "postgres.migrated",
        "postgres.filling",
        "postgres.filled",
    ]


async def test_what_changes_then_is_followed(mirror: Mirror, postgres_url: str) -> None:
    async with running(mirror.store, postgres_url):
        await check_tables(mirror.store, postgres_url)
        await tell_stories(mirror)
        await check_tables(mirror.store, postgres_url)
    spans = query(
        postgres_url, "SELECT version, kind, valid_to IS NULL FROM review_changes WHERE review_id = 2 ORDER BY version"
    )
    assert spans == [(1, "first_seen", False), (2, "vanished", False), (3, "reappeared", True)]


async def test_a_database_that_was_half_filled_is_filled_to_the_end(
    mirror: Mirror, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_sink, "STEP", 2)
    await tell_stories(mirror)
    put = database.Database.put

    async def fail(self: database.Database, found: Sequence[Rows]) -> list[tuple[int, psycopg.Error]]:
        if any(one.review_id == 5 for one in found):
            raise psycopg.OperationalError("a machine that fails")
        return await put(self, found)

    with monkeypatch.context() as failing:
        failing.setattr(database.Database, "put", fail)
        async with running(mirror.store, postgres_url):
            await wait_until(lambda: filled_to(postgres_url, 4))
    assert query(postgres_url, "SELECT count(*) FROM reviews") == [(4,)]
    async with running(mirror.store, postgres_url):
        await check_tables(mirror.store, postgres_url)


async def filled_to(url: str, review_id: int) -> bool:
    with psycopg.connect(url) as connection:
        try:
            return connection.execute("SELECT filled_to FROM mirror_cursor").fetchone() == (review_id,)
        except psycopg.errors.UndefinedTable:
            return False


async def test_what_is_forgotten_leaves_no_row(mirror: Mirror, postgres_url: str) -> None:
    await tell_stories(mirror)
    async with running(mirror.store, postgres_url):
        await check_tables(mirror.store, postgres_url)
        await forgetting.demand(mirror.store, [2])
        assert await mirror.drainer.run()
        await check_tables(mirror.store, postgres_url)
    assert query(postgres_url, "SELECT 1 FROM reviews WHERE id = 2") == []
    assert query(postgres_url, "SELECT 1 FROM review_changes WHERE review_id = 2") == []


async def test_what_was_forgotten_while_nobody_followed_leaves_no_row_either(mirror: Mirror, postgres_url: str) -> None:
    await tell_stories(mirror)
    async with running(mirror.store, postgres_url):
        await check_tables(mirror.store, postgres_url)
    await forgetting.demand(mirror.store, [2, 6])
    assert await mirror.drainer.run()
    await mirror.show(7)
    await mirror.store.redis.xtrim(keys.FEED, 1, approximate=False)
    async with running(mirror.store, postgres_url):
        await check_tables(mirror.store, postgres_url)
    assert query(postgres_url, "SELECT id FROM reviews ORDER BY id") == [(1,), (3,), (4,), (5,), (7,)]


async def test_a_cursor_that_has_expired_fills_the_tables_anew(
    mirror: Mirror, postgres_url: str, lines: list[EventDict]
) -> None:
    await tell_stories(mirror)
    async with running(mirror.store, postgres_url):
        await check_tables(mirror.store, postgres_url)
    for rating in range(1, 12):
        await mirror.show(5, rating=rating, update_date=f"2025-09-21T08:{rating:02d}:00Z")
    await mirror.store.redis.xtrim(keys.FEED, 1, approximate=False)
    async with running(mirror.store, postgres_url):
        await check_tables(mirror.store, postgres_url)
    assert [line["event"] for line in lines].count("postgres.filling") == 2


async def test_a_feed_that_has_lost_its_end_in_a_failover_fills_the_tables_anew(
    mirror: Mirror, postgres_url: str, lines: list[EventDict]
) -> None:
    await tell_stories(mirror)
    async with running(mirror.store, postgres_url):
        await check_tables(mirror.store, postgres_url)
    # The last entry is gone, and the ids go on beyond it.
    ((last, _),) = await mirror.store.redis.xrevrange(keys.FEED, count=1)
    await mirror.store.redis.xdel(keys.FEED, last)
    await mirror.show(9)
    async with running(mirror.store, postgres_url):
        await check_tables(mirror.store, postgres_url)
    assert [line["event"] for line in lines].count("postgres.filling") == 2


async def test_a_history_that_was_rewritten_is_written_anew(mirror: Mirror, postgres_url: str) -> None:
    await tell_stories(mirror)
    async with running(mirror.store, postgres_url):
        await check_tables(mirror.store, postgres_url)
        other = query(postgres_url, "SELECT count(*) FROM review_changes WHERE review_id = 1")
        assert other == [(2,)]
        with psycopg.connect(postgres_url) as connection:
            connection.execute("UPDATE review_changes SET delivery_id = 'another', kind = 'gone' WHERE review_id = 1")
        await mirror.show(1, rating=5, update_date="2025-09-21T08:30:00Z")
        await check_tables(mirror.store, postgres_url)


async def test_a_replay_is_written_anew(mirror: Mirror, postgres_url: str) -> None:
    await tell_stories(mirror)
    async with running(mirror.store, postgres_url):
        await check_tables(mirror.store, postgres_url)
        with psycopg.connect(postgres_url) as connection:
            connection.execute("UPDATE review_changes SET kind = 'gone' WHERE review_id = 1 AND version = 1")
        record = await mirror.record(1)
        entry = ["review_id", 1, "version", record.version, "kind", "replayed", "delivery_id", "a-replay"]
        await mirror.store.redis.execute_command("XADD", keys.FEED, "*", *entry)
        await check_tables(mirror.store, postgres_url)


async def test_a_certainty_that_changes_without_a_change_is_followed(mirror: Mirror, postgres_url: str) -> None:
    await mirror.show(1, rating=4, update_date="2025-09-12T07:30:00Z")
    async with running(mirror.store, postgres_url):
        await check_tables(mirror.store, postgres_url)
        # Never seen before, with an older clock: it stays out, and casts doubt.
        await mirror.show(1, rating=1, update_date="2025-09-12T07:00:00Z")
        assert (await mirror.record(1)).certainty == "unproven"
        assert (await mirror.kinds(1)) == ["first_seen"]
        await wait_until(lambda: certainty_is(postgres_url, "unproven"))
        await check_tables(mirror.store, postgres_url)


async def certainty_is(url: str, certainty: str) -> bool:
    return query(url, "SELECT certainty FROM reviews") == [(certainty,)]


async def test_only_one_of_two_writes_and_the_other_takes_over(mirror: Mirror, postgres_url: str) -> None:
    await tell_stories(mirror)
    async with running(mirror.store, postgres_url):
        await check_tables(mirror.store, postgres_url)
        async with running(mirror.store, postgres_url):
            await mirror.show(7)
            await check_tables(mirror.store, postgres_url)
            statement = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = "
            statement += "(SELECT oid FROM pg_database WHERE datname = current_database())"
            assert query(postgres_url, statement) == [(1,)]
            query(postgres_url, OTHERS)
            await mirror.show(8)
            await check_tables(mirror.store, postgres_url)


# Ends all other connections to this database.
OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


async def test_a_connection_that_is_cut_again_and_again_loses_and_doubles_nothing(
    mirror: Mirror, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_sink, "BATCH", 3)
    async with running(mirror.store, postgres_url):
        for number in range(30):
            await mirror.show(*range(1, 9), rating=number % 5, update_date=f"2025-09-12T07:{number:02d}:00Z")
            query(postgres_url, OTHERS)
            await asyncio.sleep(0.02)
        await check_tables(mirror.store, postgres_url)


async def test_a_postgres_that_is_killed_is_told_of_once_and_goes_on_where_it_stood(
    mirror: Mirror, postgres_server: PostgresServer, postgres_url: str, lines: list[EventDict]
) -> None:
    await tell_stories(mirror)
    async with running(mirror.store, postgres_url):
        await check_tables(mirror.store, postgres_url)
        postgres_server.kill()
        await mirror.show(7, 8)
        await wait_until(lambda: state_is(mirror.store, "failing"))
        await asyncio.sleep(0.3)
        postgres_server.start()
        await check_tables(mirror.store, postgres_url)
        await wait_until(lambda: state_is(mirror.store, "following"))
    told = [line["event"] for line in lines if line["event"] in {"postgres.failing", "postgres.recovered"}]
    assert told[:2] == ["postgres.failing", "postgres.recovered"]
    assert len(told) <= 4  # a server that has just started may refuse once more


async def state_is(store: Store, state: str) -> bool:
    found = await sink.read_state(store)
    return found is not None and found.state == state


async def test_a_password_that_was_changed_is_told_of_without_any_password(
    mirror: Mirror, postgres_server: PostgresServer, postgres_url: str, lines: list[EventDict]
) -> None:
    query(postgres_url, "DROP ROLE IF EXISTS analyst")
    query(postgres_url, "CREATE ROLE analyst SUPERUSER LOGIN PASSWORD 'one-password'")
    url = postgres_url.replace(f"postgres:{postgres_server.password}@", "analyst:one-password@")
    await tell_stories(mirror)
    async with running(mirror.store, url):
        await check_tables(mirror.store, postgres_url)
        query(postgres_url, "ALTER ROLE analyst PASSWORD 'another'")
        query(postgres_url, OTHERS)
        await wait_until(lambda: failing_with(mirror.store, "password authentication failed"))
        await mirror.show(7)
        query(postgres_url, "ALTER ROLE analyst PASSWORD 'one-password'")
        await check_tables(mirror.store, postgres_url)
    assert "one-password" not in repr(lines)


async def failing_with(store: Store, text: str) -> bool:
    found = await sink.read_state(store)
    return found is not None and found.state == "failing" and text in found.error


async def test_a_full_disk_is_told_of_and_waited_for(mirror: Mirror, postgres_url: str, lines: list[EventDict]) -> None:
    await tell_stories(mirror)
    async with running(mirror.store, postgres_url):
        await check_tables(mirror.store, postgres_url)
        query(
            postgres_url,
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END$$",
        )
        query(postgres_url, "CREATE TRIGGER full_disk BEFORE UPDATE ON mirror_cursor EXECUTE FUNCTION full_disk()")
        await mirror.show(7, 8)
        await wait_until(lambda: failing_with(mirror.store, "No space left"))
        assert query(postgres_url, "SELECT id FROM reviews WHERE id > 6") == []
        query(postgres_url, "DROP TRIGGER full_disk ON mirror_cursor")
        await check_tables(mirror.store, postgres_url)
    assert [line["event"] for line in lines].count("postgres.failing") == 1


async def test_a_schema_of_the_release_before_is_migrated_with_what_it_holds(
    mirror: Mirror, postgres_url: str, monkeypatch: pytest.MonkeyPatch, lines: list[EventDict]
) -> None:
    await tell_stories(mirror)
    with monkeypatch.context() as before:
        before.setattr(database, "MIGRATIONS", database.MIGRATIONS[:1])
        before.setattr(database, "SCHEMA_VERSION", 1)
        async with running(mirror.store, postgres_url):
            await check_tables(mirror.store, postgres_url)
    await mirror.show(7)
    async with running(mirror.store, postgres_url):
        await check_tables(mirror.store, postgres_url)
    assert query(postgres_url, "SELECT version FROM reviewmirror_schema ORDER BY 1") == [(1,), (2,)]
    assert query(postgres_url, "SELECT count(*) > 0 FROM ratings_daily") == [(True,)]
    migrated = [line for line in lines if line["event"] == "postgres.migrated"]
    assert [(line["before"], line["after"]) for line in migrated] == [(0, 1), (1, 2)]


async def test_a_schema_of_a_newer_release_is_left_alone(
    mirror: Mirror, postgres_url: str, lines: list[EventDict]
) -> None:
    query(postgres_url, "CREATE TABLE reviewmirror_schema (version integer)")
    query(postgres_url, "INSERT INTO reviewmirror_schema VALUES (99)")
    async with running(mirror.store, postgres_url) as task:
        await asyncio.wait_for(task, 5)
    assert query(postgres_url, "SELECT to_regclass('reviews')") == [(None,)]
    (line,) = [line for line in lines if line["event"] == "postgres.stopped"]
    assert "run the newer release" in line["reason"]
    assert await state_is(mirror.store, "stopped")


async def test_the_tables_of_another_mirror_are_left_alone(
    mirror: Mirror, postgres_url: str, lines: list[EventDict]
) -> None:
    await tell_stories(mirror)
    async with running(mirror.store, postgres_url):
        await check_tables(mirror.store, postgres_url)
    await mirror.store.redis.flushall()
    async with running(mirror.store, postgres_url) as task:
        await asyncio.wait_for(task, 5)
    assert query(postgres_url, "SELECT count(*) FROM reviews") == [(6,)]
    assert "DELETE FROM mirror_cursor" in lines[-1]["reason"]
    await mirror.show(2, 10)
    query(postgres_url, "DELETE FROM mirror_cursor")
    async with running(mirror.store, postgres_url):
        await check_tables(mirror.store, postgres_url)


async def test_a_value_that_postgres_does_not_take_holds_up_nothing_else(
    mirror: Mirror, postgres_url: str, lines: list[EventDict]
) -> None:
    async with running(mirror.store, postgres_url):
        await check_tables(mirror.store, postgres_url)
        query(
            postgres_url,
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN IF new.id = 2 THEN RAISE 'no' USING ERRCODE = 'invalid_parameter_value'; END IF; "
            "RETURN new; END$$",
        )
        query(postgres_url, "CREATE TRIGGER refuse BEFORE INSERT ON reviews FOR EACH ROW EXECUTE FUNCTION refuse()")
        await mirror.show(1, 2, 3)
        assert await wait_until_up_to_date(mirror.store, postgres_url, patience=20)
    assert query(postgres_url, "SELECT id FROM reviews ORDER BY id") == [(1,), (3,)]
    assert query(postgres_url, "SELECT review_id FROM review_changes ORDER BY 1") == [(1,), (3,)]
    assert [line["review_id"] for line in lines if line["event"] == "postgres.row_refused"] == [2]


async def test_odd_values_are_kept_in_the_payload(mirror: Mirror, postgres_url: str) -> None:
    odd = {"rating": "five", "author_name": "a\0b", "date": "soon", "tags": {"id": 1}, "comments": [1], "title": 7}
    await mirror.show(1, **odd, new_field={"a": [1, None, 2**60, 1e300]})
    async with running(mirror.store, postgres_url):
        assert await wait_until_up_to_date(mirror.store, postgres_url, patience=20)
    assert query(postgres_url, "SELECT rating, author_name, date, tags, replied_at, title FROM reviews") == [
        (None, "a\ufffdb", None, [], None, "7")
    ]
    statement = "SELECT payload->>'rating', payload->'new_field'->'a' = '[1, null, 1152921504606846976, 1e300]'"
    assert query(postgres_url, f"{statement} FROM review_changes") == [("five", True)]


async def test_what_a_trimmed_history_does_not_tell_of_any_more_is_kept(mirror: Mirror, postgres_url: str) -> None:
    async def edit(minute: int) -> None:
        await mirror.later(HOUR)
        await mirror.show(1, rating=minute % 5, update_date=f"2025-09-12T07:{minute:02d}:00Z")

    statement = "SELECT version, kind, valid_to IS NULL FROM review_changes ORDER BY version"
    expected = [(1, "first_seen", False), *((number, "updated", number == 8) for number in range(2, 9))]
    async with running(mirror.store, postgres_url):
        for minute in range(5):
            await edit(minute)
        await check_tables(mirror.store, postgres_url)
        assert await trimming.trim(mirror.store, 1, mirror.now - 2 * HOUR) > 0
        for minute in range(5, 8):
            await edit(minute)
        assert await wait_until_up_to_date(mirror.store, postgres_url, patience=20)
        assert query(postgres_url, statement) == expected
        # Written anew too.
        query(postgres_url, "DELETE FROM mirror_cursor")
        query(postgres_url, OTHERS)
        assert await wait_until_up_to_date(mirror.store, postgres_url, patience=20)
        assert query(postgres_url, statement) == expected
        # A database that was empty shows where the history begins.
        query(postgres_url, "DELETE FROM review_changes; DELETE FROM mirror_cursor")
        query(postgres_url, OTHERS)
        assert await wait_until_up_to_date(mirror.store, postgres_url, patience=20)
        assert query(postgres_url, statement)[0][1] == "trimmed"
        await check_tables(mirror.store, postgres_url)
