"""What `replay --apply` does to absences, incidents and counts, and what it leaves when something stands in its way."""

from typing import Any

import msgspec
import pytest

from mirror.clock import now_ms
from mirror.domain import settling
from mirror.domain.changes import Source
from mirror.domain.decisions import Decision
from mirror.domain.inbox import Entry
from mirror.domain.incidents import CloseReason
from mirror.domain.record import Record, Windows
from mirror.domain.replaying import compare
from mirror.storage import absences, incidents, keys, reads, rebuilding
from mirror.storage.store import Store
from tests.mirror.mirrored import DAY, HOUR, mirror
from tests.mirror.test_replaying import believing_what_comes_first, replayed
from tests.support import make_deletion, make_review

LIVE = make_review(34, business_id="b1")
DELETED = make_deletion(LIVE)


async def believed_first(store: Store, monkeypatch: pytest.MonkeyPatch, *reviews: dict[str, Any]) -> None:
    """Mirror deliveries with a rule under which only the first of a review counts."""
    with monkeypatch.context() as changed:
        changed.setitem(settling.RULES, Source.WEBHOOK, believing_what_comes_first())
        await mirror(store, *reviews)


async def stored_as(store: Store) -> list[Any]:
    return [await store.redis.execute_command("DUMP", key) for key in (keys.record(34), keys.changes(34))]


def moving(before: str, after: str) -> settling.Rule:
    """Make a rule for webhooks that reads another business."""
    ordinary = settling.RULES[Source.WEBHOOK]

    def moved(record: Record | None, entry: Entry, windows: Windows) -> Decision:
        body = entry.body.replace(before.encode(), after.encode())
        return ordinary(record, msgspec.structs.replace(entry, body=body), windows)

    return moved


async def counted(store: Store) -> tuple[int, int, int]:
    found = (await absences.overview(store, 10)).overall
    return found.absences, found.returned, found.going_on


async def test_applying_begins_and_ends_the_wait_for_the_end_of_grace(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await mirror(store, make_review(34), make_deletion(make_review(34)))
    since = await store.redis.zscore(keys.ABSENCES, "34")
    with monkeypatch.context() as changed:
        changed.setitem(settling.RULES, Source.WEBHOOK, believing_what_comes_first())
        assert (await replayed(store, apply=True)).applied == [34]
    assert await store.redis.zscore(keys.ABSENCES, "34") is None
    assert (await replayed(store, apply=True)).applied == [34]
    assert await store.redis.zscore(keys.ABSENCES, "34") == since is not None


async def test_applying_corrects_the_counts_of_absences_in_every_scope(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviews = [make_review(one, business_id="b1", partner="facebook") for one in (34, 35)]
    for review in reviews:
        await mirror(store, review, make_deletion(review), review, make_deletion(review, "2025-09-12T00:00:00Z"))
    counted = await absences.overview(store, 10)
    assert (counted.overall.absences, counted.overall.returned, counted.overall.going_on) == (4, 2, 2)
    assert counted.by_business == {"b1": counted.overall}

    with monkeypatch.context() as changed:
        changed.setitem(settling.RULES, Source.WEBHOOK, believing_what_comes_first())
        assert (await replayed(store, review=[34], apply=True)).applied == [34]
        one = await absences.overview(store, 10)
        assert (one.overall.absences, one.overall.returned, sum(one.overall.back.values())) == (2, 1, 1)
        assert (one.by_partner, one.by_business) == ({"facebook": one.overall}, {"b1": one.overall})
        assert (await replayed(store, review=[35], apply=True)).applied == [35]
        none = await absences.overview(store, 10)
        assert (none.overall.absences, none.by_partner, none.by_business) == (0, {}, {})
    assert (await replayed(store, apply=True)).applied == [34, 35]
    again = await absences.overview(store, 10)
    assert (again.overall.absences, again.overall.returned) == (counted.overall.absences, counted.overall.returned)
    assert again.by_business == {"b1": again.overall}


async def test_the_counts_follow_also_where_the_record_could_not_be_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await believed_first(store, monkeypatch, LIVE, DELETED)
    await store.redis.set(keys.record(34), b"{}")
    assert (await replayed(store, apply=True)).applied == [34]
    assert await counted(store) == (1, 0, 1)


async def test_a_review_whose_record_could_not_be_read_leaves_the_business_that_it_was_in(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await mirror(store, LIVE, DELETED)
    await store.redis.set(keys.record(34), b"{}")
    monkeypatch.setitem(settling.RULES, Source.WEBHOOK, moving('"b1"', '"b2"'))
    assert (await replayed(store, apply=True)).applied == [34]
    assert list((await absences.overview(store, 10)).by_business) == ["b2"]
    assert [await store.redis.zcard(keys.business(name)) for name in ("b1", "b2")] == [0, 1]


@pytest.mark.parametrize("lost", [(1, 0), (0, 0), (1, -1), (0, 1)])
@pytest.mark.parametrize("record", [True, False])
async def test_a_damaged_history_is_mended_and_takes_no_part_in_the_counts(
    store: Store, lost: tuple[int, int], *, record: bool
) -> None:
    await mirror(store, LIVE, DELETED, LIVE)
    await store.redis.execute_command("LTRIM", keys.changes(34), *lost)
    if not record:
        await store.redis.set(keys.record(34), b"{}")
    assert (await replayed(store, apply=True)).applied == [34]
    found = await reads.record_and_changes(store, 34)
    assert found is not None
    assert len(found[1]) == 3
    if record or lost in {(1, 0), (1, -1)}:
        assert await counted(store) == (1, 1, 0)


async def test_entries_that_stand_twice_in_a_history_are_a_difference(store: Store) -> None:
    await mirror(store, LIVE, DELETED, LIVE)
    entries = await store.redis.execute_command("LRANGE", keys.changes(34), 1, -1)
    await store.redis.execute_command("RPUSH", keys.changes(34), *entries)
    (found,) = (await replayed(store, apply=True)).different
    assert [(one.name, one.stored, one.replayed) for one in found.mismatches] == [
        ("change", "vanished", None),
        ("change", "reappeared", None),
    ]
    assert await store.redis.execute_command("LLEN", keys.changes(34)) == 3
    assert await counted(store) == (1, 1, 0)


async def test_rebuilding_twice_from_what_was_read_once_does_it_once(store: Store) -> None:
    await mirror(store, LIVE, DELETED, LIVE)
    await store.redis.execute_command("LTRIM", keys.changes(34), 0, 0)  # the record stays as it is
    stored, snapshot = await rebuilding.read(store, 34)
    found = compare(stored, Windows())
    assert await rebuilding.rebuild(store, found, stored, snapshot)
    told = await store.redis.xlen(keys.FEED)
    assert not await rebuilding.rebuild(store, found, stored, snapshot)
    assert await store.redis.xlen(keys.FEED) == told


@pytest.mark.parametrize(
    "key",
    [
        keys.PARTNERS,
        keys.FEED,
        keys.CORRUPT,
        keys.ABSENCES,
        keys.index("live", "google_my_business"),
        keys.index("missing", "google_my_business"),
        keys.business("b1"),
        f"{keys.HELD_PREFIX}business:b1",
        keys.inbox(34),
    ],
)
async def test_a_key_of_another_type_keeps_one_review_as_it_is_and_no_other(
    store: Store, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    other = make_review(35, business_id="b2", partner="facebook")
    await believed_first(store, monkeypatch, LIVE, DELETED)
    before = await stored_as(store)
    intact = await store.redis.dump(key)
    await store.redis.execute_command("DEL", key)
    await store.redis.set(key, "another type")
    report = await replayed(store, apply=True)
    assert (report.applied, report.not_applied) == ([], [34])
    assert "another type" in report.problems[34]
    assert await stored_as(store) == before

    await store.redis.execute_command("DEL", key)
    if intact is not None:
        await store.redis.restore(key, 0, intact)
    await believed_first(store, monkeypatch, other, make_deletion(other))
    assert (await replayed(store, apply=True)).applied == [34, 35]
    assert await counted(store) == (2, 0, 2)
    assert await store.redis.zcard(keys.ABSENCES) == 2


async def test_an_absence_keeps_the_whole_grace_that_the_close_of_its_incident_gave_it(store: Store) -> None:
    ids = range(1, 21)
    await mirror(store, *map(make_review, ids), ago=15 * DAY, retention=60 * DAY)
    await mirror(store, *(make_deletion(make_review(one)) for one in ids), ago=15 * DAY, retention=60 * DAY)
    (incident,) = await incidents.open_incidents(store)
    assert await incidents.close(store, incident, now_ms() - HOUR, CloseReason.TIME)
    record = await reads.record(store, 7)
    assert record is not None
    await store.redis.set(keys.record(7), msgspec.json.encode(msgspec.structs.replace(record, reappearances=5)))
    assert (await replayed(store, apply=True)).applied == [7]
    assert await absences.put_checks(store, now_ms(), 7 * DAY) == 0


async def test_applying_leaves_with_its_incident_what_that_holds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await mirror(store, *map(make_review, range(1, 21)))
    await mirror(store, *(make_deletion(make_review(one)) for one in range(1, 21)))
    (incident,) = await incidents.open_incidents(store)
    assert incident.missing == 20
    record = await reads.record(store, 7)
    assert record is not None
    await store.redis.set(keys.record(7), msgspec.json.encode(msgspec.structs.replace(record, reappearances=5)))
    assert (await replayed(store, apply=True)).applied == [7]
    assert await store.redis.zscore(keys.ABSENCES, "7") is None
    monkeypatch.setitem(settling.RULES, Source.WEBHOOK, believing_what_comes_first())
    assert (await replayed(store, review=[7], apply=True)).applied == [7]
    (incident,) = await incidents.open_incidents(store)
    assert incident.missing == 19


async def test_a_review_that_moves_leaves_the_incident_of_its_old_business(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviews = [make_review(one, business_id="b1") for one in range(1, 21)]
    await mirror(store, *reviews)
    await mirror(store, *map(make_deletion, reviews))
    monkeypatch.setitem(settling.RULES, Source.WEBHOOK, moving('"b1"', '"b2"'))
    assert (await replayed(store, review=[7], apply=True)).applied == [7]
    (incident,) = await incidents.open_incidents(store)
    assert (incident.scope, incident.missing) == ("business:b1", 19)
    assert await store.redis.zscore(keys.ABSENCES, "7") is not None


async def test_what_never_vanished_opens_no_incident_with_what_vanishes_after_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviews = [make_review(one, business_id="b1") for one in range(1, 30)]
    await mirror(store, *reviews)
    await mirror(store, *map(make_deletion, reviews[:19]))
    with monkeypatch.context() as changed:
        changed.setitem(settling.RULES, Source.WEBHOOK, believing_what_comes_first())
        assert len((await replayed(store, apply=True)).applied) == 19
    await mirror(store, make_deletion(reviews[24]))
    assert await incidents.open_incidents(store) == []


async def test_a_rebuilt_review_is_counted_by_its_new_certainty(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await believed_first(store, monkeypatch, LIVE, DELETED, LIVE)
    assert await reads.counts_of_uncertain(store) == {"unproven": 0, "ambiguous": 0}
    await replayed(store, apply=True)
    found = await reads.record(store, 34)
    assert found is not None
    assert found.certainty == "ambiguous"
    assert await reads.counts_of_uncertain(store) == {"unproven": 0, "ambiguous": 1}
    with monkeypatch.context() as changed:
        changed.setitem(settling.RULES, Source.WEBHOOK, believing_what_comes_first())
        await replayed(store, apply=True)
    assert await reads.counts_of_uncertain(store) == {"unproven": 0, "ambiguous": 0}


async def test_a_review_that_an_earlier_release_left_in_doubt_is_counted_from_its_next_delivery_on(
    store: Store,
) -> None:
    await mirror(store, LIVE, DELETED, LIVE)
    await store.redis.delete(keys.certainty("ambiguous"))
    await mirror(store, LIVE)
    assert await reads.counts_of_uncertain(store) == {"unproven": 0, "ambiguous": 1}
