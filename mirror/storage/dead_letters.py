"""Dead letters in Redis."""

from collections.abc import AsyncIterator, Sequence

import msgspec

from mirror.domain.authors import Author
from mirror.domain.dead_letters import DeadLetter, unreadable
from mirror.domain.forgetting import letter_concerns
from mirror.domain.record import UNDECODABLE
from mirror.storage import keys
from mirror.storage.failed_attempts import digest
from mirror.storage.frames import decompress_or_same
from mirror.storage.store import Store

_LETTER = msgspec.json.Decoder(DeadLetter)

# Dead letters read at a time: each may weigh as much as a body may.
READ_STEP = 16
# How many are searched for those about one review: few are there, unless somebody sends what nobody can read.
SEARCHED = 500


class Copies(msgspec.Struct, frozen=True):
    """How often the body of a dead letter came before, and the id of the first such delivery, which tells when."""

    count: int
    first_delivery_id: str


async def keep(store: Store, letter: DeadLetter) -> None:
    """Keep a dead letter under its delivery id, instead of an earlier one with the same body."""
    args = [letter.delivery_id, msgspec.json.encode(letter), digest(letter.body)]
    await store.run_durably(store.keep_dead_letter, [keys.DEAD_LETTERS, keys.DEAD_BODIES], args)


async def copies(store: Store, letters: Sequence[DeadLetter]) -> list[Copies]:
    """Tell of each letter how often its body came before."""
    if not letters:
        return []
    names = [digest(letter.body) for letter in letters]
    found = await store.redis.execute_command("HMGET", keys.DEAD_BODIES, *names)
    return [_copies(letter, data) for letter, data in zip(letters, found, strict=True)]


def _copies(letter: DeadLetter, data: bytes | None) -> Copies:
    if data is not None:
        last, count, first = data.decode().split()
        if last == letter.delivery_id:
            return Copies(int(count), first)
    return Copies(0, letter.delivery_id)  # an earlier release kept it


async def count(store: Store) -> int:
    """Count the dead letters."""
    return int(await store.redis.execute_command("HLEN", keys.DEAD_LETTERS))


async def ids(store: Store) -> list[str]:
    """Name all dead letters, the oldest first."""
    return sorted(name.decode() for name in await store.redis.execute_command("HKEYS", keys.DEAD_LETTERS))


async def read(store: Store, delivery_ids: Sequence[str]) -> list[DeadLetter]:
    """Read dead letters, without those that are not there (any more).

    One that this release cannot read is given as `unreadable` does.
    """
    letters = []
    for start in range(0, len(delivery_ids), READ_STEP):
        step = delivery_ids[start : start + READ_STEP]
        found = await store.redis.execute_command("HMGET", keys.DEAD_LETTERS, *step)
        letters += [_decode(name, data) for name, data in zip(step, found, strict=True) if data is not None]
    return letters


async def about(store: Store, review_id: int) -> list[str]:
    """Name those of the newest SEARCHED dead letters that are about a review, or mention it where that cannot be told.

    The oldest first.
    """
    newest = (await ids(store))[-SEARCHED:]
    return [one async for one in concerning(store, newest, frozenset({review_id}), None)]


async def concerning(
    store: Store, delivery_ids: Sequence[str], review_ids: frozenset[int], author: Author | None
) -> AsyncIterator[str]:
    """Name those of the dead letters that concern these reviews or this author; few are held at a time."""
    for start in range(0, len(delivery_ids), READ_STEP):
        for letter in await read(store, delivery_ids[start : start + READ_STEP]):
            if letter_concerns(letter, review_ids, author):
                yield letter.delivery_id


def _decode(delivery_id: str, data: bytes) -> DeadLetter:
    try:
        letter = _LETTER.decode(data)
    except UNDECODABLE as error:
        return unreadable(delivery_id, data, str(error))
    # A worker of a release before frames, still running while this one accepted, took the frame for the body.
    return msgspec.structs.replace(letter, body=decompress_or_same(letter.body))


async def drop(store: Store, delivery_id: str) -> bool:
    """Throw a dead letter away; tells whether it was there."""
    letters = await read(store, [delivery_id])
    async with store.redis.pipeline(transaction=True) as pipe:
        pipe.hdel(keys.DEAD_LETTERS, delivery_id)
        for letter in letters:
            pipe.hdel(keys.DEAD_BODIES, digest(letter.body))
        dropped, *_ = await pipe.execute()
    return bool(dropped)
