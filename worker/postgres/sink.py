"""Keeps the tables in Postgres: fills them from the mirror, then follows the feed.

    connect → lock ──▶ migrate ──▶ fill (an empty database, an expired cursor) ──▶ follow
               └─ another worker holds it: stand by

Rows and cursor are written in one transaction, so each change is there once, whatever dies when. Nothing here is waited
for by those who apply deliveries: a Postgres that is away is tried again, later and later.
"""

import asyncio
import random
from collections.abc import Collection, Sequence
from contextlib import suppress

import psycopg
import structlog

from mirror.domain.changes import Certainty
from mirror.domain.feed import REPLAYED, CursorExpiredError, Position
from mirror.postgres.database import Database, LostError, Place, SinkError
from mirror.storage import feed, keys, reads, sink
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.sink import SinkState
from mirror.storage.store import Store
from worker.postgres.reading import reflect

# Entries of one transaction, and reviews that are read and written at a time.
BATCH = 1_000
STEP = 200
# How often the feed is looked at where it has nothing new.
IDLE_S = 0.2
# How often it is written down how the sink stands.
TELL_INTERVAL_S = 2.0
# How often reviews are looked for whose certainty has changed without a change that the feed tells of.
CERTAINTY_INTERVAL_S = 30.0
STAND_BY_S = 5.0
FIRST_BACKOFF_S = 1.0
LAST_BACKOFF_S = 60.0
_MAX_ERROR_CHARS = 300

log = structlog.get_logger()


class PostgresSink:
    """Writes to the Postgres at `url`, or stands by."""

    def __init__(self, store: Store, url: str) -> None:
        self._store = store
        self._url = url
        self._failing_since = 0
        self._backoff = FIRST_BACKOFF_S
        self._told_at = self._checked_at = 0.0

    async def run(self) -> None:
        """Work until cancelled, or until nothing can be done before somebody has acted."""
        while True:
            try:
                await self._session()
            except SinkError as error:
                log.error("postgres.stopped", reason=str(error))  # noqa: TRY400 - no code of ours failed
                with suppress(StorageUnavailableError):
                    await self._tell("stopped", error=str(error))
                return
            except LostError:
                continue
            except (psycopg.Error, OSError) as error:
                await self._failed(described(error))
            except StorageUnavailableError as error:
                log.warning("postgres.interrupted", error=repr(error))
                await asyncio.sleep(FIRST_BACKOFF_S)

    async def _session(self) -> None:
        async with Database.connect(self._url) as database:
            if await database.try_lock():
                await self._migrate(database)
                await self._write(database)
        await asyncio.sleep(STAND_BY_S)

    async def _migrate(self, database: Database) -> None:
        before, after = await database.migrate()
        if before != after:
            log.info("postgres.migrated", before=before, after=after)

    async def _write(self, database: Database) -> None:
        mirror_id = await sink.mirror_id(self._store)
        place = await database.place(mirror_id)
        if place is not None and not await sink.holds(self._store, Position.read(place.cursor)):
            place = None
        while True:
            try:
                place = await self._begin(database, mirror_id) if place is None else place
                await self._recovered(place)
                place = await self._next(database, place)
            except CursorExpiredError:
                place = None

    async def _begin(self, database: Database, mirror_id: str) -> Place:
        place = Place(str((await feed.bounds(self._store)).last), filled_to=-1)
        await database.begin(mirror_id, place)
        log.info("postgres.filling", cursor=place.cursor)
        return place

    async def _next(self, database: Database, place: Place) -> Place:
        if place.filled_to is not None:
            return await self._fill(database, place, place.filled_to)
        if self._is_due(self._checked_at, CERTAINTY_INTERVAL_S):
            await self._check_certainty(database, place)
            self._checked_at = _now()
        return await self._follow(database, place)

    async def _fill(self, database: Database, place: Place, after: int) -> Place:
        ids = await reads.ids(self._store, reads.Query(limit=STEP, after=after))
        until = ids[-1] if len(ids) == STEP else None
        following = Place(place.cursor, until)
        async with database.step(place, following):
            # What is written already may be of another time, or of a review that was forgotten since.
            written = await database.ids_between(after, until)
            await self._reflect(database, sorted({*ids, *written}), anew=set(written))
        if until is None:
            log.info("postgres.filled", cursor=place.cursor)
        return following

    async def _follow(self, database: Database, place: Place) -> Place:
        entries = await feed.read(self._store, Position.read(place.cursor), BATCH)
        if not entries:
            await asyncio.sleep(IDLE_S)
            return place
        changed = [entry for entry in entries if entry.facts is None]
        ids = list(dict.fromkeys(entry.review_id for entry in changed))
        following = Place(str(entries[-1].position))
        async with database.step(place, following):
            await self._reflect(database, ids, {entry.review_id for entry in changed if entry.kind == REPLAYED})
        return following

    async def _reflect(self, database: Database, review_ids: Sequence[int], anew: Collection[int] = ()) -> None:
        for start in range(0, len(review_ids), STEP):
            piece = review_ids[start : start + STEP]
            found = await reflect(self._store, piece, await database.known(piece), anew)
            await database.delete(found.gone)
            for review_id, error in await database.put(found.rows):
                log.error("postgres.row_refused", review_id=review_id, error=described(error))

    async def _check_certainty(self, database: Database, place: Place) -> None:
        """Write the reviews whose certainty has changed with no change: by a stale delivery, or by an answer."""
        written = await database.uncertain()
        mirrored: dict[int, str] = {}
        for certainty in (Certainty.UNPROVEN, Certainty.AMBIGUOUS):
            members = await self._store.redis.zrange(keys.certainty(certainty), 0, -1)
            mirrored |= {int(member): str(certainty) for member in members if keys.is_member(member)}
        differing = sorted(one for one in {*written, *mirrored} if written.get(one) != mirrored.get(one))
        if differing:
            async with database.step(place, place):
                await self._reflect(database, differing)

    async def _recovered(self, place: Place) -> None:
        state = "following" if place.filled_to is None else "filling"
        if self._failing_since:
            log.info("postgres.recovered", failing_since=self._failing_since)
        elif not self._is_due(self._told_at, TELL_INTERVAL_S):
            return
        self._failing_since, self._backoff = 0, FIRST_BACKOFF_S
        await self._tell(state, place)

    async def _tell(self, state: str, place: Place | None = None, error: str = "") -> None:
        now = await self._store.now()
        known = None if place is not None else await sink.read_state(self._store)
        cursor = place.cursor if place is not None else known.cursor if known is not None else ""
        filled_to = None if place is None else place.filled_to
        facts = SinkState(
            state=state, at=now, cursor=cursor, since=self._failing_since, error=error, filled_to=filled_to
        )
        await sink.write_state(self._store, facts)
        self._told_at = _now()

    async def _failed(self, error: str) -> None:
        delay = self._backoff * random.uniform(0.5, 1.5)  # noqa: S311 - spreads retries, hides nothing
        self._backoff = min(2 * self._backoff, LAST_BACKOFF_S)
        with suppress(StorageUnavailableError):
            if not self._failing_since:
                self._failing_since = await self._store.now()
                log.warning("postgres.failing", error=error)
            await self._tell("failing", error=error)
        await asyncio.sleep(delay)

    def _is_due(self, last: float, interval: float) -> bool:
        return not last or _now() - last >= interval


def _now() -> float:
    return asyncio.get_running_loop().time()


def described(error: psycopg.Error | OSError) -> str:
    """Say what Postgres says, without its details: these may quote a review."""
    if isinstance(error, OSError):
        return repr(error)
    text = error.diag.message_primary or next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return f"{text[:_MAX_ERROR_CHARS]}{f' ({error.sqlstate})' if error.sqlstate else ''}"
