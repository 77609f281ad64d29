"""A forgotten review leaves a tombstone and nothing else, and nothing brings it back."""

import asyncio
import random
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mirror.domain import forgetting as domain
from mirror.domain.authors import Author
from mirror.domain.changes import Source
from mirror.domain.dead_letters import DeadLetter
from mirror.domain.inbox import Entry
from mirror.domain.record import Windows
from mirror.domain.settling import settle
from mirror.settings import Settings
from mirror.storage import corrupt, counters, dead_letters, forgetting, inbox, keys, reads
from mirror.storage.frames import decompress_or_same
from mirror.storage.inbox_entries import plain_entry
from mirror.storage.store import Store
from tests.conftest import running_worker
from tests.mirror.mirrored import accept, drain, mirror
from tests.support import make_body, make_deletion, make_review, wait_until

NAME, SECRET = 'Zoë "Z" Oneil', "a text that nobody else writes"
REVIEW = make_review(author_name=NAME, content=SECRET)


async def forget(store: Store, *ids: int) -> None:
    await forgetting.demand(store, ids)
    await drain(store)


def _plain(value: bytes) -> bytes:
    return plain_entry(decompress_or_same(value))


async def texts(store: Store) -> set[str]:
    """Tell which of the personal texts Redis still holds, in any string, list, hash or stream."""
    values: list[bytes] = []
    for name in await store.redis.keys():
        kind = await store.redis.type(name)
        commands = {
            b"string": ("GET", name),
            b"list": ("LRANGE", name, 0, -1),
            b"hash": ("HGETALL", name),
            b"stream": ("XRANGE", name, "-", "+"),
        }
        if kind in commands:
            held = await store.redis.execute_command(*commands[kind])
            whole = held if isinstance(held, list) else [held]
            values += [_plain(one) if isinstance(one, bytes) else repr(one).encode() for one in whole]
    return {text for text in ("nobody else writes", "Oneil", "Zo") for value in values if text.encode() in value}


async def search(store: Store, name: str) -> tuple[set[int], set[tuple[str, int]]]:
    """Give the reviews that show an author, and the near names with theirs."""
    steps = [found async for found in forgetting.by_author(store, Author(name))]
    return {one for found in steps for one in found.reviews}, {one for found in steps for one in found.near}


def append_only_file(folder: str) -> bytes:
    """Read what the append-only file consists of, one file or several."""
    parts = [path.read_bytes() for path in Path(folder).rglob("*.aof*") if path.is_file()]
    assert parts
    return b"".join(parts)


async def test_nothing_of_a_forgotten_review_is_left_but_its_tombstone(store: Store) -> None:
    await mirror(store, REVIEW, REVIEW | {"rating": 1}, make_deletion(REVIEW), make_review(35))
    assert await texts(store) == {"nobody else writes", "Oneil", "Zo"}

    await forget(store, 34)

    assert await texts(store) == set()
    record = await reads.record(store, 34)
    assert record is not None
    assert record.forgotten_at is not None
    assert record.review == {"id": 34}
    assert await store.redis.exists(keys.changes(34), keys.deliveries(34), keys.inbox(34)) == 0
    assert await reads.record(store, 35) is not None


async def test_it_leaves_the_indexes_and_the_counts(store: Store) -> None:
    await mirror(store, REVIEW, make_review(35))
    await forget(store, 34)
    counts = await reads.counts_by_status_and_partner(store)
    assert {key: count for key, count in counts.items() if count} == {("live", "google_my_business"): 1}
    for query in (reads.Query(limit=10), reads.Query(limit=10, business_id=REVIEW["business_id"])):
        assert [one.id for one in (await reads.page(store, query)).records] == [35]
    assert await reads.known_partners(store) == ["google_my_business"]


async def test_what_waits_before_the_demand_is_erased_and_what_comes_after_stays_out(store: Store) -> None:
    await mirror(store, REVIEW)
    await accept(store, 34, make_body(REVIEW | {"rating": 1}), b"{ Oneil")
    await forgetting.demand(store, [34])
    await accept(store, 34, make_body(REVIEW | {"rating": 2}))
    await drain(store)
    await mirror(store, REVIEW | {"rating": 5}, make_deletion(REVIEW))

    assert await texts(store) == set()
    record = await reads.record(store, 34)
    assert record is not None
    assert (record.forgotten_at is not None, record.version) == (True, 2)
    assert (await counters.read(store))["decisions:forgotten"] == 6
    assert await dead_letters.count(store) == 0


async def test_the_feed_tells_once_that_a_review_is_forgotten(store: Store) -> None:
    await mirror(store, REVIEW)
    await forget(store, 34)
    await forget(store, 34)
    entries = [entry for _, entry in await store.redis.xrange(keys.FEED)]
    assert [(entry[b"kind"], entry[b"version"]) for entry in entries] == [(b"first_seen", b"1"), (b"forgotten", b"2")]


async def test_partoo_is_not_asked_about_a_forgotten_review_any_more(store: Store) -> None:
    await mirror(store, REVIEW)
    await store.redis.zadd(keys.VERIFY, {"34": 1, "35": 1})
    await forget(store, 34)
    assert await store.redis.zrange(keys.VERIFY, 0, -1) == [b"35"]


async def test_a_review_of_which_nothing_is_known_can_be_kept_out(store: Store) -> None:
    await forget(store, 34)
    await mirror(store, REVIEW)
    assert await texts(store) == set()


async def test_a_record_that_cannot_be_read_is_erased_with_the_bytes_set_aside(store: Store) -> None:
    await mirror(store, REVIEW)
    await store.redis.set(keys.record(34), b'{"content": "a text that nobody else writes"}')
    await mirror(store, REVIEW)
    assert await corrupt.reviews(store) == [34]

    await forget(store, 34)
    await forgetting.erase_letters(store, [34], None)
    await forgetting.leave_indexes(store, [34])

    assert await texts(store) == set()
    assert await corrupt.reviews(store) == []
    assert sum((await reads.counts_by_status_and_partner(store)).values()) == 0
    assert (await reads.page(store, reads.Query(limit=9, business_id=REVIEW["business_id"]))).records == []


async def test_a_worker_killed_before_its_commit_leaves_the_demand_to_the_next(
    store: Store, settings: Settings, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await mirror(store, REVIEW)
    await forgetting.demand(store, [34])
    monkeypatch.setattr(keys, "LEASE_MS", 100)
    await inbox.claim(store)  # and nothing more
    await asyncio.sleep(0.15)
    async with running_worker(settings, redis_url):

        async def forgotten() -> bool:
            return not await forgetting.not_forgotten(store, [34])

        await wait_until(forgotten)
    assert await texts(store) == set()


async def test_the_append_only_file_no_longer_holds_it_after_a_rewrite(store: Store) -> None:
    await mirror(store, REVIEW)
    await forget(store, 34)
    folder = (await store.redis.config_get("dir"))["dir"]

    async def idle() -> bool:
        info = await store.redis.info("persistence")
        return not (info["aof_rewrite_in_progress"] or info["aof_rewrite_scheduled"])

    await wait_until(idle)
    await store.redis.execute_command("BGREWRITEAOF")
    await wait_until(idle)
    assert SECRET.encode() not in append_only_file(folder)


@pytest.mark.parametrize(
    ("body", "concerned"),
    [
        (make_body(make_review(34)), True),
        (make_body(make_review(35, content="34")), False),
        (b'{"type": "review_updated", "payload": {"review": {"id": "34"}}}', True),
        (b'{"id": 34', True),
        (b'{"id": 345', False),
        (b'{"author_name": "Zo\\u00eb \\"Z\\" Oneil"', True),
        (b'{"author_name": "Zo\\u00EB \\"Z\\" Oneil"', True),
        ('{"author_name": "Zoë \\"Z\\" Oneil"'.encode(), True),
        (b'{"author_name": "Zoe"', False),
        (make_body(make_review(35, author_name=NAME)), True),
        (b'{"type": "business_updated"}', False),
        (make_body({"id": 34}, "review_deleted"), True),
        (make_body({"id": 35, "rating": 34}, "review_deleted"), False),
        (make_body({"id": 35, "author_name": NAME}, "review_deleted"), True),
        (b"\xff\xfe", False),
    ],
)
def test_dead_letters_are_found_by_id_and_author_also_in_what_cannot_be_decoded(body: bytes, concerned: bool) -> None:  # noqa: FBT001
    letter = DeadLetter("0" * 24, 0, "not_json", "no", body)
    assert domain.letter_concerns(letter, frozenset({34}), Author(NAME)) is concerned


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"type": "review_updated", "payload": {"review": {"key": "a", "id": 34, "content": "cut of', 34),
        (b'{"payload":{"review":{"id":"34","author_name"', 34),
        (b'{"payload":{"review":{"id":34', 34),
        (b'{"payload":{"review":{"tags":[{"id":34}],"id":35', None),
        (b'{"payload":{"review":{"content":"\\"id\\": 34, and so on"', None),
        (b'{"payload":{"business":{"id":34}}', None),
        (b'{"payload":{"review":{"org_id":34}', None),
        (b'{"payload":{"review":{"id":34.5}', None),
        (b'{"payload":{"review":{"id":9999999999999999999}', None),
        (b"\xff\xfe", None),
    ],
)
def test_a_body_that_cannot_be_decoded_tells_its_review_only_where_it_is_plain(body: bytes, told: int | None) -> None:
    assert domain.told_review_id(body) == told


async def test_an_author_is_found_in_records_histories_deliveries_and_inboxes(store: Store) -> None:
    named = {"author_name": NAME}
    await mirror(store, make_review(1, **named), retention=0)
    await mirror(store, make_review(2, **named), retention=0)
    await mirror(store, make_review(2, author_name="A Google user", update_date="2025-09-05T00:00:00Z"), retention=0)
    await mirror(store, make_review(3), make_review(3, update_date="2020-01-01T00:00:00Z", **named))
    await accept(store, 4, make_body(make_review(4, **named)))
    await mirror(store, make_review(5), make_review(6, author_name=NAME + "x"), make_review(7, content=NAME))
    await store.redis.execute_command("HSET", keys.CORRUPT, "8", NAME)
    assert (await search(store, NAME))[0] == {1, 2, 3, 4, 8}


def test_a_demand_that_cannot_be_read_is_a_dead_letter_and_forgets_nothing() -> None:
    settled = settle(None, [Entry("0" * 24, 0, Source.FORGET, b"all of them")], Windows())
    assert [letter.code for letter in settled.dead_letters] == ["not_a_demand"]
    assert settled.record is None


def test_the_decisions_on_what_is_forgotten_hold_nothing_of_it() -> None:
    entries = [
        Entry("1" * 24, 1, Source.WEBHOOK, make_body(REVIEW)),
        domain.make_demand(34, 2, random.getrandbits(48)),
        Entry("3" * 24, 3, Source.WEBHOOK, make_body(REVIEW)),
    ]
    settled = settle(None, entries, Windows())
    assert [decision.outcome for decision in settled.decisions] == ["forgotten"] * 3
    assert SECRET not in repr(settled)
    assert settled.changes == []


async def test_what_cannot_be_read_is_the_authors_where_it_holds_the_name(store: Store) -> None:
    for review_id in (1, 2, 3):
        await mirror(store, make_review(review_id, author_name="Somebody"))
    await store.redis.execute_command("RPUSH", keys.changes(1), b'{"broken": "Castorche"')
    await store.redis.execute_command("RPUSH", keys.deliveries(2), b"broken\nCastorche")
    await store.redis.execute_command("RPUSH", keys.deliveries(3), b"broken\nNobody")
    assert (await search(store, "Castorche"))[0] == {1, 2}


FORMS = {
    "composed": "Zo\u00eb Ça\u00ef",
    "decomposed": "Zoe\u0308 C\u0327ai\u0308",
    "capitals": "ZOË ÇAÏ",
    "spaces around": " Zoë Çaï\t",
    "two spaces": "Zoë  Çaï",
    "no-break space": "Zoë\u00a0Çaï",
    "narrow no-break space": "Zoë\u202fÇaï\u00a0",
    "full width": "\uff3aoë Çaï",
    "invisible": "Zoë\u200b Ça\u00adï\ufeff",
}


@pytest.mark.parametrize("asked", FORMS.values(), ids=FORMS)
async def test_an_author_is_found_in_any_form_of_the_same_name(store: Store, asked: str) -> None:
    for number, name in enumerate(FORMS.values(), start=1):
        await mirror(store, make_review(number, author_name=name))
    await mirror(store, make_review(100, author_name="Somebody"))
    await store.redis.execute_command("HSET", keys.CORRUPT, "200", '{"author_name": "ZOE\\u0308\\u00a0\\u00c7aï"')
    assert (await search(store, asked))[0] == {*range(1, len(FORMS) + 1), 200}


async def test_names_that_are_near_are_told_and_not_taken_for_the_author(store: Store) -> None:
    near = ["Jean Dupond", "Jean Dupont-Martin", "Dupont Jean", "Jéan Dupont"]
    other = ["Jeanne Martin", "", "Marie Durand", None, 7, "jean  DUPONT"]
    for number, name in enumerate([*near, *other], start=1):
        await mirror(store, make_review(number, author_name=name))
    found, shown = await search(store, "Jean Dupont")
    assert found == {10}
    assert shown == {(name, number) for number, name in enumerate(near, start=1)}


@pytest.mark.parametrize("name", ["", " ", "\u200b"])
async def test_a_name_without_a_letter_is_nobodys(store: Store, name: str) -> None:
    await mirror(store, make_review(1, author_name=""), make_review(2, author_name=" "))
    await store.redis.execute_command("HSET", keys.CORRUPT, "8", "broken")
    assert await search(store, name) == (set(), set())


async def test_the_log_gives_a_tombstone_no_status(store: Store) -> None:
    await mirror(store, REVIEW)
    with capture_logs() as lines:
        await forget(store, 34)
        await mirror(store, REVIEW)
    forgotten = [line for line in lines if line["event"] == "review.forgotten"]
    assert len(forgotten) == 2
    assert not [line for line in forgotten if "status" in line]
