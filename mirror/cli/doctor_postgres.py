"""The doctor's look at Postgres, where DATABASE_URL names one."""

import importlib.util

from mirror.cli.check import FAIL, OK, WARN, Check
from mirror.clock import span
from mirror.settings import Settings
from mirror.storage import sink
from mirror.storage.store import Store

NAME = "Postgres"
_LATE_MS = 300_000
_AWAY = "its tables fall behind, deliveries do not; mend it, or set DATABASE_URL anew and restart the worker"


async def check_postgres(store: Store, settings: Settings) -> Check:
    """Connect to it, and tell how its tables stand. Raises StorageUnavailableError."""
    if settings.database_url is None:
        return Check(NAME, OK, "DATABASE_URL is not set: there are no tables for analysts")
    if importlib.util.find_spec("psycopg") is None:
        found = "DATABASE_URL is set, but psycopg is missing: workers do not start"
        return Check(NAME, FAIL, found, "pip install -r requirements-postgres.txt")
    problem = await _problem(settings.database_url)
    if problem:
        return Check(NAME, WARN, problem, _AWAY)
    return await _standing(store)


async def _problem(url: str) -> str:
    """Say why nothing can be written; "" where it can."""
    import psycopg  # noqa: PLC0415 - optional

    from mirror.postgres.database import SCHEMA_VERSION, Database  # noqa: PLC0415 - needs psycopg

    try:
        async with Database.connect(url) as database:
            version = await database.version()
    except psycopg.Error as error:
        return f"cannot be used: {next(iter(str(error).strip().splitlines()), type(error).__name__)}"
    if version > SCHEMA_VERSION:
        return f"its schema has version {version}, and this release knows versions up to {SCHEMA_VERSION}"
    return ""


async def _standing(store: Store) -> Check:
    state = await sink.read_state(store)
    if state is None:
        return Check(NAME, WARN, "answers, but no worker has written to it in the last day", "restart the worker")
    if state.error:
        return Check(NAME, WARN, f"{state.state}: {state.error}", "see `postgres.*` lines in the worker's log")
    lag = await sink.lag(store, state)
    found = f"{state.state}, {lag.events} events behind"
    if lag.age_ms > _LATE_MS:
        return Check(NAME, WARN, f"{found}, the oldest for {span(lag.age_ms)}", "see `postgres.*` lines in the log")
    return Check(NAME, OK, found)
