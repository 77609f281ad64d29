"""Ratings in Redis: of each business one hash of its reviews' tracks, kept up by following the feed.

The webhook's path and the commit know nothing of it. Following is a second, idempotent step: a track is worked out anew
from its review's whole history, and the cursor moves with what was written, so doing it twice changes nothing.
"""

from collections.abc import AsyncIterator, Iterable, Sequence

import msgspec
from redis.exceptions import WatchError

from mirror.domain.feed import CursorExpiredError, Entry, Position
from mirror.domain.ratings import Point, Track, points_of
from mirror.domain.record import CorruptError
from mirror.domain.review import text_field
from mirror.storage import feed, keys, reads
from mirror.storage.store import Store

# Entries, or reviews, of one step; each needs its whole history.
STEP = 200
# Tracks that are read at a time: working on them holds up whatever else the process does.
_SCAN_STEP = 1_000
_TRACK = msgspec.msgpack.Decoder(Track)
_ENCODE = msgspec.msgpack.Encoder().encode


class Progress(msgspec.Struct, frozen=True):
    """How far the tracks follow the mirror. While they are built, `after` is the last review's id, else None.

    `position` is the place in the feed up to which they hold everything, or from which they will go on.
    """

    position: Position
    after: int | None = None

    @property
    def built(self) -> bool:
        return self.after is None


_PROGRESS = msgspec.json.Decoder(Progress)
_ENCODE_PROGRESS = msgspec.json.Encoder().encode


async def catch_up(store: Store, steps: int) -> bool:
    """Follow the mirror, at most some steps; tells whether nothing is left to do."""
    for _ in range(steps):
        data = await store.redis.get(keys.RATINGS_PROGRESS)
        progress = await _begin(store) if data is None else _PROGRESS.decode(data)
        try:
            done = await (_follow(store, progress) if progress.built else _build(store, progress))
        except CursorExpiredError:
            await _forget_all(store)
            continue
        except WatchError:
            continue  # somebody else has done this step
        if done:
            return True
    return False


async def _begin(store: Store) -> Progress:
    return Progress((await feed.bounds(store)).last, after=-1)


async def _forget_all(store: Store) -> None:
    names = [keys.ratings(name) for name in await businesses(store)]
    await store.redis.delete(keys.RATINGS_PROGRESS, keys.RATED_BUSINESSES, *names)


async def _build(store: Store, progress: Progress) -> bool:
    ids = await reads.ids(store, reads.Query(limit=STEP, after=-1 if progress.after is None else progress.after))
    after = ids[-1] if len(ids) == STEP else None
    await _write(store, progress, msgspec.structs.replace(progress, after=after), ids, anywhere=())
    return False


async def _follow(store: Store, progress: Progress) -> bool:
    entries = await feed.read(store, progress.position, STEP)
    if entries:
        changed = [entry for entry in entries if entry.facts is None]
        ids = list(dict.fromkeys(entry.review_id for entry in changed))
        following = Progress(entries[-1].position)
        await _write(store, progress, following, ids, anywhere=_may_be_elsewhere(changed))
    return len(entries) < STEP


def _may_be_elsewhere(entries: Iterable[Entry]) -> list[int]:
    """Name the reviews whose tracks may stand at another business than that of their records."""
    return [entry.review_id for entry in entries if entry.kind not in {"first_seen", "vanished", "gone", "confirmed"}]


async def _write(
    store: Store, before: Progress, after: Progress, review_ids: Sequence[int], anywhere: Sequence[int]
) -> None:
    """Write the tracks of reviews, and that they are written. Raises WatchError if somebody else was faster."""
    known = await businesses(store)
    # Before a connection is held for watching: a pool of one must do. Whoever reads later has a later progress.
    found = [(review_id, await _track(store, review_id)) for review_id in review_ids]
    async with store.redis.pipeline(transaction=True) as pipe:
        await pipe.watch(keys.RATINGS_PROGRESS)
        if await pipe.get(keys.RATINGS_PROGRESS) not in (None, _ENCODE_PROGRESS(before)):
            raise WatchError
        pipe.multi()
        for review_id, pair in found:
            business_id = None if pair is None else pair[0]
            if review_id in anywhere or pair is None:
                for name in known:
                    if name != business_id:
                        pipe.hdel(keys.ratings(name), str(review_id))
            if pair is not None:
                pipe.execute_command("HSET", keys.ratings(pair[0]), review_id, _ENCODE(pair[1]))
                pipe.sadd(keys.RATED_BUSINESSES, pair[0])
        pipe.set(keys.RATINGS_PROGRESS, _ENCODE_PROGRESS(after))
        await pipe.execute()


async def _track(store: Store, review_id: int) -> tuple[str, Track] | None:
    """Work out a review's business and track; None where nothing of it is left, or can be read."""
    try:
        found = await reads.record_and_changes(store, review_id)
        if found is None or found[0].forgotten_at is not None:
            return None
        record, changes = found
        points = points_of(record, changes)
    except CorruptError:
        return None
    business_id = text_field(record.review, "business_id")
    if changes and changes[0].trimmed is not None:
        points = await _kept_points(store, business_id, review_id, points[0].at) + points
    return business_id, Track(text_field(record.review, "partner"), points)


async def _kept_points(store: Store, business_id: str, review_id: int, before: int) -> tuple[Point, ...]:
    """Read what is kept of the time that a trimmed history does not tell of any more."""
    data = await store.redis.execute_command("HGET", keys.ratings(business_id), review_id)
    return () if data is None else tuple(point for point in _TRACK.decode(data).points if point.at < before)


async def businesses(store: Store) -> list[str]:
    """Name the businesses that have tracks."""
    return sorted(name.decode() for name in await store.redis.execute_command("SMEMBERS", keys.RATED_BUSINESSES))


async def tracks(store: Store, business_id: str) -> AsyncIterator[list[Track]]:
    """Read the tracks of a business, in pieces."""
    async for piece in tracks_by_review(store, business_id):
        yield [track for _, track in piece]


async def tracks_by_review(store: Store, business_id: str) -> AsyncIterator[list[tuple[int, Track]]]:
    """Read the tracks of a business, each with its review's id, in pieces."""
    cursor, first = 0, True
    seen: set[bytes] = set()
    while cursor or first:
        cursor, found = await store.redis.hscan(keys.ratings(business_id), cursor, count=_SCAN_STEP)
        first = False
        # A hash that grows meanwhile may show a field twice.
        fresh = {name: data for name, data in found.items() if name not in seen}
        seen |= fresh.keys()
        yield [(int(name), _TRACK.decode(data)) for name, data in fresh.items()]


async def progress(store: Store) -> Progress | None:
    """Tell how far the tracks follow the mirror; None before they are begun."""
    data = await store.redis.get(keys.RATINGS_PROGRESS)
    return None if data is None else _PROGRESS.decode(data)


async def size(store: Store, business_id: str) -> int:
    """Count the tracks of a business."""
    return int(await store.redis.execute_command("HLEN", keys.ratings(business_id)))
