"""A real Postgres for the tests that need one, with an empty database each."""

import itertools
import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from mirror.domain.history import first_payload, records
from mirror.storage import keys, reads
from mirror.storage.store import Store
from tools.dev.postgres import NoPostgresError, PostgresServer

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    try:
        server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    except NoPostgresError as error:
        if os.environ.get("REVIEWMIRROR_CI"):
            raise
        pytest.skip(f"NO POSTGRES, SO ITS TESTS DO NOT RUN: {error}")
    with server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """The URL of an empty database."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres_server.url(name)


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def tables_of_postgres(url: str) -> dict[str, Any]:
    reviews = query(url, "SELECT id, version, status, certainty, business_id, partner, payload FROM reviews")
    changes = query(
        url,
        "SELECT review_id, version, kind, (extract(epoch FROM valid_from) * 1000)::bigint, "
        "(extract(epoch FROM valid_to) * 1000)::bigint, status, certainty, delivery_id, payload FROM review_changes",
    )
    return {"reviews": sorted(reviews, key=repr), "changes": sorted(changes, key=repr)}


async def tables_of_mirror(store: Store) -> dict[str, Any]:
    """Work out what the tables must hold, without what writes them."""
    reviews, changes = [], []
    after = -1
    while ids := await reads.ids(store, reads.Query(limit=500, after=after)):
        after = ids[-1]
        for review_id in ids:
            found = await reads.record_and_changes(store, review_id)
            assert found is not None
            record, history = found
            business_id, partner = (str(record.review.get(name) or "") for name in ("business_id", "partner"))
            values = (record.id, record.version, str(record.status), str(record.certainty), business_id, partner)
            reviews.append((*values, record.review))
            ends = [*(change.received_at for change in history[1:]), None]
            states = records(first_payload(record, history), history)
            for change, state, end in zip(history, states, ends, strict=True):
                facts = (str(change.kind), change.received_at, end, str(state.status), str(change.certainty))
                changes.append((record.id, change.version, *facts, change.delivery_id, state.review))
    return {"reviews": sorted(reviews, key=repr), "changes": sorted(changes, key=repr)}


async def is_caught_up(store: Store, url: str) -> bool:
    try:
        rows = query(url, "SELECT cursor, filled_to FROM mirror_cursor")
    except psycopg.errors.UndefinedTable:
        return False
    info = await store.redis.xinfo_stream(keys.FEED) if await store.redis.exists(keys.FEED) else None
    last = "0-0" if info is None else info["last-generated-id"].decode()
    return bool(rows) and rows[0] == (last, None)
