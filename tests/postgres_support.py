"""A real Postgres for the tests that need one, with an empty database each."""

import itertools
import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from mirror.storage.store import Store
from tools.chaos.tables import compare, wait_until_up_to_date
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


async def check_tables(store: Store, url: str) -> None:
    """Wait until the tables have caught up, and compare them with the mirror."""
    assert await wait_until_up_to_date(store, url, patience=20)
    assert (await compare(store, url)).differing == []
