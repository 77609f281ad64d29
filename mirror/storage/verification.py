"""Open questions to Partoo, in Redis: claimed by one worker at a time, settled by the commit of an answer."""

from collections.abc import Sequence

import msgspec

from mirror.storage import keys
from mirror.storage.store import Store

# A claim outlives the longest that one run of asking may take, so that no question is asked twice at a time.
LEASE_MS = 180_000
MAX_CLAIMED = 500
_KEYS = [keys.VERIFY, keys.VERIFY_FAILURES]
_CLAIM_KEYS = [*_KEYS, keys.SECOND_LOOKS]


class Question(msgspec.Struct, frozen=True):
    """A claimed question: about which review, how often asking has failed in a row, until when it is ours (ms)."""

    review_id: int
    failures: int
    leased_until: int


async def claim(store: Store, now: int) -> list[Question]:
    """Claim what is to be asked at `now` (ms since 1970 UTC)."""
    until = now + LEASE_MS
    found: Sequence[bytes] = await store.claim_verifications(keys=_CLAIM_KEYS, args=[now, until, MAX_CLAIMED])
    return [
        Question(int(review_id), int(failures), until)
        for review_id, failures in zip(found[::2], found[1::2], strict=True)
    ]


async def release(store: Store, question: Question, ask_at: int | None, *, failed: bool = False) -> None:
    """End a claim without an answer: ask again at `ask_at` (ms since 1970 UTC), or, if None, not at all.

    Does nothing if a commit has settled the question meanwhile.
    """
    args = [question.review_id, question.leased_until, "" if ask_at is None else ask_at, int(failed)]
    await store.release_verification(keys=_KEYS, args=args)


async def next_due(store: Store) -> int | None:
    """Tell when the next question is due (ms since 1970 UTC), None if there is none."""
    first = await store.redis.zrange(keys.VERIFY, 0, 0, withscores=True)
    return int(first[0][1]) if first else None


async def asked_about(store: Store, ids: Sequence[int]) -> set[int]:
    """Tell about which of these reviews there is an open question or a second look to come."""
    if not ids:
        return set()
    async with store.redis.pipeline(transaction=False) as pipe:
        pipe.zmscore(keys.VERIFY, [str(one) for one in ids])
        pipe.zmscore(keys.SECOND_LOOKS, [str(one) for one in ids])
        asked, again = await pipe.execute()
    return {one for one, *due in zip(ids, asked, again, strict=True) if due != [None, None]}


async def count(store: Store) -> int:
    """Count the open questions."""
    return int(await store.redis.execute_command("ZCARD", keys.VERIFY))


async def count_second_looks(store: Store) -> int:
    """Count the reviews about which Partoo is asked once more."""
    return int(await store.redis.execute_command("ZCARD", keys.SECOND_LOOKS))
