"""Dead letters that are tried again, and records that cannot be read."""

from typing import Any

import msgspec
import pytest

from mirror.domain.changes import Source
from mirror.domain.dead_letters import CORRUPT_RECORD, DeadLetter
from mirror.domain.inbox import make_delivery_id
from mirror.domain.reading import encode_reading
from mirror.domain.record import Windows
from mirror.storage import corrupt, dead_letters, forgetting, inbox, keys, reads
from mirror.storage.commit import commit
from mirror.storage.frames import compress
from mirror.storage.inbox_entries import decode_entry
from mirror.storage.retrying import Outcome, retry
from mirror.storage.store import Store
from tests.mirror.mirrored import accept, drain, mirror
from tests.support import make_body, make_review

RECEIVED = 1_757_000_000_000
EDITED = make_review(rating=1, update_date="2025-09-05T00:00:00Z")


def letter(body: bytes, number: int = 0, source: Source = Source.WEBHOOK, review_id: int | None = None) -> DeadLetter:
    delivery_id = make_delivery_id(RECEIVED + number, number)
    return DeadLetter(delivery_id, RECEIVED + number, "not_json", "no", body, source, review_id)


async def keep(store: Store, *letters: DeadLetter) -> None:
    for one in letters:
        await dead_letters.keep(store, one)


async def waiting(store: Store, review_id: int = 34) -> list[bytes]:
    found: list[bytes] = await store.redis.execute_command("LRANGE", keys.inbox(review_id), 0, -1)
    return found


async def test_what_can_be_read_by_now_waits_in_its_inbox_with_its_own_id_and_time(store: Store) -> None:
    kept = letter(make_body(EDITED))
    await keep(store, kept)

    assert (await retry(store, kept, Windows())).outcome is Outcome.RETRIED

    assert [decode_entry(data) for data in await waiting(store)] == [kept.entry]
    assert await dead_letters.count(store) == 0
    assert (await inbox.backlog(store)).reviews == 1
    assert await store.redis.exists("arq:queue") == 1


async def test_a_frame_that_an_earlier_release_took_for_the_body_is_retried(store: Store) -> None:
    body = make_body(EDITED)
    await keep(store, letter(compress(body)))
    (kept,) = await dead_letters.read(store, await dead_letters.ids(store))
    assert kept.body == body
    assert (await retry(store, kept, Windows())).outcome is Outcome.RETRIED


async def test_a_retried_delivery_is_a_late_one_and_history_does_not_run_backwards(store: Store) -> None:
    await mirror(store, make_review())
    kept = letter(make_body(EDITED))
    await keep(store, kept)
    await retry(store, kept, Windows())
    await drain(store)

    found = await reads.record_and_changes(store, 34)
    assert found is not None
    record, (first, change) = found
    assert record.review == EDITED
    assert change.delivery_id == kept.delivery_id
    assert change.received_at == first.received_at > kept.received_at


async def test_retrying_twice_moves_it_once(store: Store) -> None:
    kept = letter(make_body(EDITED))
    await keep(store, kept)
    outcomes = [(await retry(store, kept, Windows())).outcome for _ in range(2)]
    assert outcomes == [Outcome.RETRIED, Outcome.GONE]
    assert len(await waiting(store)) == 1


async def test_a_retry_that_fails_inside_redis_leaves_the_letter_where_it_is(store: Store) -> None:
    kept = letter(make_body(EDITED))
    await keep(store, kept)
    await store.redis.set(keys.inbox(34), "not a list")
    with pytest.raises(Exception, match="WRONGTYPE"):
        await retry(store, kept, Windows())
    assert await dead_letters.read(store, [kept.delivery_id]) == [kept]


async def test_a_crash_between_the_move_and_the_nudge_loses_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = letter(make_body(EDITED))
    await keep(store, kept)

    async def die(_job: str, **_options: Any) -> None:
        raise ConnectionError("the process ends here")

    monkeypatch.setattr(store.redis, "enqueue_job", die)
    with pytest.raises(ConnectionError):
        await retry(store, kept, Windows())
    await drain(store)
    assert await reads.record(store, 34) is not None
    assert await dead_letters.count(store) == 0


async def test_what_still_cannot_be_read_stays_and_says_why(store: Store) -> None:
    kept = letter(b'{"type": "review_updated", "payload": {}}')
    await keep(store, kept)
    result = await retry(store, kept, Windows())
    assert (result.outcome, result.code) == (Outcome.UNREADABLE, "no_review")
    assert await dead_letters.count(store) == 1


@pytest.mark.parametrize("review_id", [34, None])
async def test_an_unknown_event_about_a_review_is_not_thrown_away(store: Store, review_id: int | None) -> None:
    kept = letter(make_body(make_review(), "review_deleted"), review_id=review_id)
    await keep(store, kept)
    result = await retry(store, kept, Windows())
    assert (result.outcome, result.code) == (Outcome.UNREADABLE, "unknown_review_event")
    assert await dead_letters.read(store, [kept.delivery_id]) == [kept]


async def test_what_only_a_lenient_reading_takes_is_applied_and_marked(store: Store) -> None:
    kept = letter(b"\xef\xbb\xbf" + make_body(EDITED))
    await keep(store, kept)
    assert (await retry(store, kept, Windows())).outcome is Outcome.RETRIED
    await drain(store)
    found = await reads.record_and_changes(store, 34)
    assert found is not None
    assert [change.repaired for change in found[1]] == [("byte_order_mark",)]


async def test_an_event_about_something_else_is_removed_as_the_service_would(store: Store) -> None:
    kept = letter(b'{"type": "business_updated"}')
    await keep(store, kept)
    assert (await retry(store, kept, Windows())).outcome is Outcome.IGNORED
    assert await dead_letters.count(store) == 0


async def test_a_letter_keeps_where_it_came_from(store: Store) -> None:
    await accept(store, 34, b"{}", source=Source.VERIFICATION)
    await drain(store)
    (kept,) = await dead_letters.read(store, await dead_letters.ids(store))
    assert (kept.source, kept.review_id) == (Source.VERIFICATION, 34)

    mended = msgspec.structs.replace(kept, body=encode_reading(EDITED, kept.received_at))
    assert (await retry(store, mended, Windows())).outcome is Outcome.RETRIED
    await drain(store)
    found = await reads.record_and_changes(store, 34)
    assert found is not None
    assert found[1][0].source is Source.VERIFICATION


async def test_a_letter_of_an_earlier_release_is_one_from_a_webhook(store: Store) -> None:
    kept = letter(b"{")
    old = {name: value for name, value in msgspec.to_builtins(kept).items() if name not in {"source", "review_id"}}
    await store.redis.execute_command("HSET", keys.DEAD_LETTERS, kept.delivery_id, msgspec.json.encode(old))
    assert await dead_letters.read(store, [kept.delivery_id]) == [kept]


async def test_deliveries_of_a_corrupt_record_can_be_retried_once_it_is_mended(store: Store) -> None:
    await mirror(store, make_review())
    intact = await store.redis.get(keys.record(34))
    await store.redis.set(keys.record(34), b'{"schema": 1}')
    await mirror(store, EDITED)
    (kept,) = await dead_letters.read(store, await dead_letters.ids(store))
    assert (kept.code, kept.review_id, kept.body) == (CORRUPT_RECORD, 34, make_body(EDITED))
    assert await corrupt.reviews(store) == [34]
    assert (await retry(store, kept, Windows())).code == CORRUPT_RECORD

    await store.redis.set(keys.record(34), intact)
    assert await corrupt.reviews(store) == []
    assert (await retry(store, kept, Windows())).outcome is Outcome.RETRIED
    await drain(store)

    record = await reads.record(store, 34)
    assert record is not None
    assert (record.review, record.version) == (EDITED, 2)
    assert await store.redis.exists(keys.CORRUPT) == 0


async def test_a_record_mended_while_it_was_judged_is_not_set_aside(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await mirror(store, make_review())
    intact = await store.redis.get(keys.record(34))
    await store.redis.set(keys.record(34), b"{}")

    async def mend_and_commit(*arguments: object) -> object:
        await store.redis.set(keys.record(34), intact)
        return await commit(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("worker.drain.commit", mend_and_commit)
    await mirror(store, EDITED)
    assert await dead_letters.count(store) == 0
    assert await inbox.waiting_for(store, 34) == 1
    assert await store.redis.exists(keys.CORRUPT) == 0


async def test_a_letter_that_a_later_release_kept_is_shown_stays_and_stops_no_other(store: Store) -> None:
    delivery_id = make_delivery_id(1_757_664_000_000, 1)
    data = b'{"delivery_id":"%s","source":"of tomorrow","review_id":34}' % delivery_id.encode()
    await store.redis.execute_command("HSET", keys.DEAD_LETTERS, delivery_id, data)
    (letter,) = await dead_letters.read(store, [delivery_id])
    assert (letter.received_at, letter.code, letter.body) == (1_757_664_000_000, "unreadable_letter", data)
    assert (await retry(store, letter, Windows())).outcome is Outcome.UNREADABLE
    assert await dead_letters.count(store) == 1
    assert await forgetting.erase_letters(store, [34], None) == [delivery_id]
