"""The mirror's tables in one Postgres: who may write them, their schema, and writing rows and cursor in one step."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.resources import files
from typing import Any, Self

import msgspec
import psycopg
from psycopg import AsyncConnection, errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mirror.postgres.rows import Rows

_HERE = files("mirror.postgres")
MIGRATIONS = tuple(
    (number, entry.read_text(encoding="utf-8"))
    for number, entry in sorted(
        (int(entry.name.partition("_")[0]), entry)
        for entry in _HERE.joinpath("migrations").iterdir()
        if entry.name.endswith(".sql")
    )
)
SCHEMA_VERSION = MIGRATIONS[-1][0]
# What one statement may carry: a review may weigh a megabyte, and have many versions.
STATEMENT_BYTES = 4 * 1024 * 1024
CONNECT_TIMEOUT_S = 10
# Of a whole step: Postgres may hang without an error.
STEP_TIMEOUT_S = 120
# So that a connection that was cut without a word ends soon; what DATABASE_URL says comes first.
_OPTIONS = {
    "connect_timeout": str(CONNECT_TIMEOUT_S),
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "application_name": "reviewmirror",
}
# A value that Postgres does not take, in a row of one review: the others must not wait for it.
_REFUSALS = (psycopg.DataError, errors.ProgramLimitExceeded)
_LOCK = 0x52_4D_50_47  # whoever writes holds it, together with a hash of the schema's name


class SinkError(Exception):
    """Nothing can be written before somebody has acted; the message says what to do."""


class LostError(Exception):
    """Another worker has written since, so what this one knows is outdated."""


class Place(msgspec.Struct, frozen=True):
    """Where the tables stand: `cursor` is a place in the feed; while they are filled, `filled_to` the last id."""

    cursor: str
    filled_to: int | None = None


class Known(msgspec.Struct, frozen=True):
    """What the tables hold of a review."""

    version: int
    delivery_id: str | None
    certainty: str


def _statement(name: str) -> bytes:
    return _HERE.joinpath("statements", f"{name}.sql").read_bytes()


class Database:
    """One connection. Its methods raise `psycopg.Error`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._statements = {
            name: _statement(name) for name in ("known", "put_reviews", "put_changes", "end_versions", "drop_changes")
        }

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str) -> AsyncIterator[Self]:
        """Connect for a while; the connection's own options stand in the URL."""
        conninfo = make_conninfo(**(_OPTIONS | {name: str(value) for name, value in conninfo_to_dict(url).items()}))
        connection = await AsyncConnection.connect(conninfo, autocommit=True)
        try:
            yield cls(connection)
        finally:
            await connection.close()

    async def _fetch(self, statement: str | bytes, **values: Any) -> list[tuple[Any, ...]]:
        cursor = await self._connection.execute(statement, values or None)
        return await cursor.fetchall()

    async def _run(self, statement: str | bytes, **values: Any) -> int:
        return (await self._connection.execute(statement, values or None)).rowcount

    async def try_lock(self) -> bool:
        """Become the one that writes, for as long as this connection lasts; False if another is."""
        rows = await self._fetch("SELECT pg_try_advisory_lock(%(key)s, hashtext(current_schema()))", key=_LOCK)
        return bool(rows[0][0])

    async def version(self) -> int:
        """Return the version of the schema, 0 without one."""
        if (await self._fetch("SELECT to_regclass('reviewmirror_schema') IS NULL"))[0][0]:
            return 0
        return int((await self._fetch("SELECT coalesce(max(version), 0) FROM reviewmirror_schema"))[0][0])

    async def migrate(self) -> tuple[int, int]:
        """Bring the schema up to date; returns its version before and after. Only whoever holds the lock may do so.

        Raises SinkError for a schema that a newer release has made.
        """
        before = await self.version()
        if before > SCHEMA_VERSION:
            raise SinkError(
                f"its schema has version {before}, and this release knows versions up to {SCHEMA_VERSION}: "
                "run the newer release that has made it"
            )
        for number, script in MIGRATIONS:
            if number > before:
                async with self._connection.transaction():
                    await self._run(
                        "CREATE TABLE IF NOT EXISTS reviewmirror_schema "
                        "(version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
                    )
                    await self._run(script)
                    await self._run("INSERT INTO reviewmirror_schema (version) VALUES (%(number)s)", number=number)
        return before, SCHEMA_VERSION

    async def place(self, mirror_id: str) -> Place | None:
        """Tell where the tables stand; None if they have not been filled yet.

        Raises SinkError if they follow another mirror.
        """
        rows = await self._fetch("SELECT mirror_id, cursor, filled_to FROM mirror_cursor")
        if not rows:
            return None
        if rows[0][0] != mirror_id:
            raise SinkError(
                "it follows another mirror, or Redis has lost what it held: to fill it from this one, run there "
                "DELETE FROM mirror_cursor, and restart the worker"
            )
        return Place(rows[0][1], rows[0][2])

    async def begin(self, mirror_id: str, place: Place) -> None:
        """Note that the tables are to be filled, from this place on."""
        await self._run(
            "INSERT INTO mirror_cursor (mirror_id, cursor, filled_to) VALUES (%(mirror)s, %(cursor)s, %(filled)s) "
            "ON CONFLICT (singleton) DO UPDATE SET cursor = excluded.cursor, filled_to = excluded.filled_to, "
            "updated_at = now()",
            mirror=mirror_id,
            cursor=place.cursor,
            filled=place.filled_to,
        )

    def step(self, before: Place, after: Place) -> AbstractAsyncContextManager[None]:
        """Write within one transaction, which moves the cursor at its end. Raises LostError if it stands elsewhere."""
        return self._step(before, after)

    @asynccontextmanager
    async def _step(self, before: Place, after: Place) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(STEP_TIMEOUT_S), self._connection.transaction():
                yield
                moved = await self._run(
                    "UPDATE mirror_cursor SET cursor = %(cursor)s, filled_to = %(filled)s, updated_at = now() "
                    "WHERE cursor = %(old)s AND filled_to IS NOT DISTINCT FROM %(old_filled)s::bigint",
                    cursor=after.cursor,
                    filled=after.filled_to,
                    old=before.cursor,
                    old_filled=before.filled_to,
                )
                if moved != 1:
                    raise LostError
        except TimeoutError:
            raise psycopg.OperationalError(f"no step within {STEP_TIMEOUT_S} s") from None

    async def known(self, review_ids: Sequence[int]) -> dict[int, Known]:
        """Read what is written of reviews."""
        rows = await self._fetch(self._statements["known"], ids=list(review_ids))
        return {review_id: Known(*rest) for review_id, *rest in rows}

    async def ids_between(self, after: int, until: int | None) -> list[int]:
        """Name the reviews with ids above `after`, up to `until`."""
        rows = await self._fetch(
            "SELECT id FROM reviews WHERE id > %(after)s AND (%(until)s::bigint IS NULL OR id <= %(until)s) "
            "UNION SELECT review_id FROM review_changes "
            "WHERE review_id > %(after)s AND (%(until)s::bigint IS NULL OR review_id <= %(until)s)",
            after=after,
            until=until,
        )
        return [row[0] for row in rows]

    async def uncertain(self) -> dict[int, str]:
        """Read the certainty of each review that is not proven."""
        rows = await self._fetch("SELECT id, certainty FROM reviews WHERE certainty <> 'proven'")
        return {row[0]: row[1] for row in rows}

    async def delete(self, review_ids: Sequence[int]) -> None:
        """Delete all rows of reviews."""
        if review_ids:
            await self._run("DELETE FROM review_changes WHERE review_id = ANY(%(ids)s::bigint[])", ids=list(review_ids))
            await self._run("DELETE FROM reviews WHERE id = ANY(%(ids)s::bigint[])", ids=list(review_ids))

    async def put(self, found: Sequence[Rows]) -> list[tuple[int, psycopg.Error]]:
        """Write rows of reviews. Returns the reviews of which Postgres refuses a value; the others are written."""
        try:
            async with self._connection.transaction():
                await self._put_all(found)
        except _REFUSALS as error:
            if len(found) == 1:
                return [(found[0].review_id, error)]
        else:
            return []
        return [refused for one in found for refused in await self.put([one])]

    async def _put_all(self, found: Sequence[Rows]) -> None:
        anew = [(one.review_id, one.anew) for one in found if one.anew is not None]
        if anew:
            await self._run(
                self._statements["drop_changes"], ids=[one for one, _ in anew], firsts=[first for _, first in anew]
            )
        await self._put("put_changes", [line for one in found for line in one.changes])
        first = [(one.review_id, one.first) for one in found if one.first is not None and one.first > 1]
        if first:
            await self._run(
                self._statements["end_versions"], ids=[one for one, _ in first], versions=[one for _, one in first]
            )
        await self._put("put_reviews", [one.row for one in found])

    async def _put(self, name: str, lines: Sequence[bytes]) -> None:
        piece: list[bytes] = []
        weight = 0
        for line in [*lines, None]:
            if piece and (line is None or weight + len(line) > STATEMENT_BYTES):
                await self._run(self._statements[name], rows=f"[{b','.join(piece).decode()}]")
                piece, weight = [], 0
            if line is not None:
                piece.append(line)
                weight += len(line)
