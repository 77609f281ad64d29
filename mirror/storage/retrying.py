"""Retrying dead letters: what can be read by now goes into the inbox of its review, as a late delivery."""

from enum import StrEnum

import msgspec

from mirror.domain.dead_letters import CORRUPT_RECORD, UNREADABLE_LETTER, DeadLetter
from mirror.domain.record import CorruptError, Record, Windows
from mirror.domain.settling import settle
from mirror.domain.wire import OtherEvent, UndecodableError, decode
from mirror.storage import dead_letters, keys
from mirror.storage.decoding import decode_record
from mirror.storage.failed_attempts import digest
from mirror.storage.inbox_entries import encode_entry
from mirror.storage.store import Store


class Outcome(StrEnum):
    RETRIED = "retried"  # it waits for a worker now
    IGNORED = "ignored"  # it can be read, and is no event about a review: thrown away, as the service does
    UNREADABLE = "unreadable"  # it stays
    GONE = "gone"  # somebody else was faster


class Retried(msgspec.Struct, frozen=True):
    """What became of one dead letter; `code` and `reason` say why it stays where it does."""

    delivery_id: str
    outcome: Outcome
    review_id: int | None = None
    code: str | None = None
    reason: str | None = None

    @property
    def words(self) -> str:
        """Say what became of it, for people."""
        match self.outcome:
            case Outcome.RETRIED:
                return f"waits for a worker, review {self.review_id}"
            case Outcome.IGNORED:
                return "is an event that is not about a review: removed"
            case Outcome.UNREADABLE:
                return f"stays, {self.code}: {self.reason}"
            case Outcome.GONE:
                return "is not there: no dead letter has this id (any more)"


class StillUnreadableError(Exception):
    """A dead letter that cannot be applied yet. `code` is stable, the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


async def retry(store: Store, letter: DeadLetter, windows: Windows) -> Retried:
    """Read a dead letter again, with the code and the record of today, and move it if that succeeds.

    The move is one step of Redis, so a crash leaves the letter in exactly one place and repeating it is harmless; a
    worker is nudged.
    """
    try:
        review_id = _review_id(letter)
        if review_id is None:
            await dead_letters.drop(store, letter.delivery_id)
            return Retried(letter.delivery_id, Outcome.IGNORED)
        _check(letter, await _record(store, review_id), windows)
    except (StillUnreadableError, UndecodableError) as error:
        return Retried(letter.delivery_id, Outcome.UNREADABLE, letter.review_id, error.code, str(error))
    moved = await _move(store, letter, review_id)
    return Retried(letter.delivery_id, Outcome.RETRIED if moved else Outcome.GONE, review_id)


async def retry_one(store: Store, delivery_id: str, windows: Windows) -> Retried:
    """Retry the dead letter with this id."""
    for letter in await dead_letters.read(store, [delivery_id]):
        return await retry(store, letter, windows)
    return Retried(delivery_id, Outcome.GONE)


def _review_id(letter: DeadLetter) -> int | None:
    """Tell which review a letter is about; None if it is an event about something else."""
    if letter.code == UNREADABLE_LETTER:
        raise StillUnreadableError(letter.code, letter.message)
    if letter.review_id is not None:
        return letter.review_id
    event = decode(letter.body)
    return None if isinstance(event, OtherEvent) else event.review_id


async def _record(store: Store, review_id: int) -> Record | None:
    data = await store.redis.get(keys.record(review_id))
    try:
        return None if data is None else decode_record(review_id, data)
    except CorruptError as error:
        message = f"the record of review {review_id} in Redis cannot be read: {error.problem}"
        raise StillUnreadableError(CORRUPT_RECORD, message) from None


def _check(letter: DeadLetter, record: Record | None, windows: Windows) -> None:
    for still in settle(record, [letter.entry], windows).dead_letters:
        raise StillUnreadableError(still.code, still.message)


async def _move(store: Store, letter: DeadLetter, review_id: int) -> bool:
    key_names = [keys.DEAD_LETTERS, keys.CORRUPT, keys.WAITING, keys.DUE, keys.NUDGE, keys.inbox(review_id)]
    key_names.append(keys.DEAD_BODIES)
    args = [letter.delivery_id, review_id, encode_entry(letter.entry), keys.NUDGE_TTL_MS, digest(letter.body)]
    moved = await store.retry(keys=key_names, args=args)
    if moved == 2:  # noqa: PLR2004 - see retry.lua
        await store.enqueue("drain")
    return bool(moved)
