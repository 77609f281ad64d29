"""The inbox in Redis: accepting deliveries, and claiming the reviews that have some waiting."""

import random
import secrets
from collections.abc import Iterator, Sequence

import msgspec

from mirror.domain.changes import Source
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.storage import keys
from mirror.storage.frames import plain_size
from mirror.storage.inbox_entries import encode_entry, plain_entry_size
from mirror.storage.packing import pack
from mirror.storage.server import in_ms
from mirror.storage.store import Store

# Bounds on what one claim takes, so that neither many reviews, nor one with a long inbox, nor large payloads make a
# worker's batch slow or big. MAX_BYTES is of what Redis holds, compressed, and again of what a worker makes of it.
MAX_REVIEWS = 100
MAX_DELIVERIES_OF_ONE = 100
MAX_BYTES = 4 * 1024 * 1024
# Deliveries wait milliseconds; for this long they do when no worker gets on with them.
LATE_AFTER_MS = 60_000


class Claim(msgspec.Struct, frozen=True):
    """A review to work on: its record as stored, None if not mirrored yet, and the oldest entries of its inbox.

    `problem`: Redis's error where a key of the review is of another type; then nothing of it could be read.
    """

    review_id: int
    record: bytes | None
    entries: list[bytes]
    problem: str | None = None


def batches(claims: Sequence[Claim]) -> Iterator[list[Claim]]:
    """Give claims in batches of no more than MAX_BYTES once decompressed, or of one delivery.

    What one review has waiting past that is left to a later claim.
    """
    batch: list[Claim] = []
    room = MAX_BYTES
    for one in claims:
        claim, size = _head_of(one)
        if batch and size > room:
            yield batch
            batch, room = [], MAX_BYTES
        batch.append(claim)
        room -= size
    if batch:
        yield batch


def _head_of(claim: Claim) -> tuple[Claim, int]:
    """Give what of a claim fits into a batch, and how large it is."""
    size = plain_size(claim.record or b"")
    for place, entry in enumerate(claim.entries):
        size_with = size + plain_entry_size(entry)
        if place and size_with > MAX_BYTES:
            return msgspec.structs.replace(claim, entries=claim.entries[:place]), size
        size = size_with
    return claim, size


class Backlog(msgspec.Struct, frozen=True):
    """How many reviews have deliveries waiting, and for how long the oldest has, in ms; 0 where none waits."""

    reviews: int
    age_ms: int


def make_entry(received_at: int, source: Source, body: bytes) -> Entry:
    """Give what was received at this time (ms since 1970 UTC) an id of its own."""
    return Entry(make_delivery_id(received_at, random.getrandbits(48)), received_at, source, body)


async def accept(store: Store, deliveries: Sequence[tuple[int, Entry]], counter: str = "deliveries:accepted") -> bool:
    """Store deliveries, each with the id of its review, in the order given and in one step, or none of them.

    `counter`: what they count as.

    Returns whether a nudge is due: whether no arq job that will claim them is on its way. After a
    StorageUnavailableError the deliveries may or may not have been stored.
    """
    key_names = [keys.ACCEPTED_PREFIX + secrets.token_hex(8), keys.WAITING, keys.DUE, keys.NUDGE, keys.COUNTERS]
    # Ids as text: Lua's numbers end at 2^53.
    packed = pack([part for review_id, entry in deliveries for part in (str(review_id), encode_entry(entry))])
    args = [keys.ACCEPTED_TTL_MS, keys.NUDGE_TTL_MS, keys.REVIEW_PREFIX, keys.INBOX_SUFFIX, counter, packed]
    return bool(await store.run_durably(store.accept, key_names, args))


async def put(store: Store, entries: Sequence[tuple[int, Entry]], counter: str) -> None:
    """Accept entries of our own making, as `accept` does, and nudge a worker.

    After a StorageUnavailableError the entries may or may not have been stored.
    """
    if entries and await accept(store, entries, counter):
        await store.enqueue("drain")


async def claim(store: Store) -> list[Claim]:
    """Claim reviews with waiting deliveries for `keys.LEASE_MS`, those that have waited longest first.

    From here on a new delivery nudges again.
    """
    args = [
        MAX_REVIEWS,
        keys.LEASE_MS,
        MAX_DELIVERIES_OF_ONE,
        MAX_BYTES,
        keys.REVIEW_PREFIX,
        keys.RECORD_SUFFIX,
        keys.INBOX_SUFFIX,
    ]
    claimed = await store.claim(keys=[keys.DUE, keys.WAITING, keys.NUDGE], args=args)
    return [
        Claim(int(review_id), record, entries, problem[0].decode() if problem else None)
        for review_id, record, entries, *problem in claimed
    ]


async def backlog(store: Store) -> Backlog:
    """Measure what waits."""
    async with store.redis.pipeline(transaction=False) as pipe:
        pipe.zcard(keys.WAITING)
        pipe.zrange(keys.WAITING, 0, 0, withscores=True)
        pipe.time()
        reviews, oldest, time = await pipe.execute()
    return Backlog(reviews, max(0, in_ms(time) - int(oldest[0][1])) if oldest else 0)


async def waiting_for(store: Store, review_id: int) -> int:
    """Count the deliveries that wait for one review."""
    return int(await store.redis.execute_command("LLEN", keys.inbox(review_id)))
