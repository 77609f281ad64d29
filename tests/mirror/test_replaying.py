"""A replay of kept deliveries: the same reducer finds nothing, a changed one exactly what it decides differently."""

import argparse
from typing import Any

import pytest

from mirror.cli import replay
from mirror.clock import now_ms
from mirror.domain import settling
from mirror.domain.changes import Source
from mirror.domain.decisions import Decision, Outcome
from mirror.domain.inbox import Entry
from mirror.domain.lifecycle import Status
from mirror.domain.record import Record, Windows
from mirror.domain.wire import UndecodableError
from mirror.storage import dead_letters, failed_attempts, inbox, keys, reads, rebuilding
from mirror.storage.store import Store
from tests.mirror.mirrored import DAY, HOUR, accept, drain, kept, mirror
from tests.support import make_body, make_deletion, make_review, make_settings

OPTIONS = argparse.Namespace(review=None, since=None, until=None, apply=False, json=False)


def story(review_id: int) -> list[dict[str, Any]]:
    first = make_review(review_id)
    edited = first | {"rating": 1, "update_date": "2025-09-05T00:00:00Z"}
    back = edited | {"rating": 4}
    return [first, first, edited, make_deletion(edited), edited, back, edited, first]


async def replayed(store: Store, **options: Any) -> replay.Report:
    return await replay.replay(store, Windows(), argparse.Namespace(**{**vars(OPTIONS), **options}))


def forget_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Change the rule for webhooks: a rating of 1 is not taken over any more."""
    ordinary = settling.RULES[Source.WEBHOOK]

    def changed(record: Record | None, entry: Entry, windows: Windows) -> Decision:
        decision = ordinary(record, entry, windows)
        if record is not None and decision.delivery.review["rating"] == 1:
            return Decision(Outcome.STALE, decision.delivery, record, reason="ones are not believed")
        return decision

    monkeypatch.setitem(settling.RULES, Source.WEBHOOK, changed)


def believing_what_comes_first() -> settling.Rule:
    """Make a rule for webhooks that takes over what comes first, and nothing after it."""
    ordinary = settling.RULES[Source.WEBHOOK]

    def believe_first(record: Record | None, entry: Entry, windows: Windows) -> Decision:
        decision = ordinary(record, entry, windows)
        return decision if record is None else Decision(Outcome.STALE, decision.delivery, record, reason="not believed")

    return believe_first


async def test_the_same_reducer_finds_no_difference(store: Store) -> None:
    for review_id in range(20):
        await mirror(store, *story(review_id))
    report = await replayed(store)
    assert (report.reviews, report.deliveries) == (20, 160)
    assert (report.different, report.inexact) == ([], [])


async def test_a_review_older_than_what_is_kept_is_compared_from_its_history(store: Store) -> None:
    first, _, edited, gone, *rest = story(34)
    await mirror(store, first, edited, ago=5 * DAY, retention=0)
    await mirror(store, gone, *rest)
    report = await replayed(store)
    assert report.different == []
    (inexact,) = report.inexact
    assert (inexact.review_id, inexact.uncertain) == (34, [])
    assert inexact.inexact is not None
    assert "no longer kept" in inexact.inexact


async def test_what_only_a_copy_that_is_no_longer_kept_could_tell_is_uncertain_and_no_difference(store: Store) -> None:
    review = make_review()
    await mirror(store, review, ago=5 * HOUR, retention=0)
    await mirror(store, review, ago=1 * HOUR, retention=0)  # accepted again: too lately for what follows
    await mirror(store, make_deletion(review), review, ago=HOUR // 2)
    report = await replayed(store)
    assert report.different == []
    names = [one.name for one in report.inexact[0].uncertain]
    assert names == ["ambiguous", "unproven", "ambiguous", "unproven"]  # of the record and of its last change


async def raw_deliveries(store: Store) -> list[bytes]:
    found: list[bytes] = await store.redis.execute_command("LRANGE", keys.deliveries(34), 0, -1)
    return found


async def test_kept_deliveries_with_a_hole_before_them_are_not_compared(store: Store) -> None:
    first, _, edited, gone, *_ = story(34)
    await mirror(store, first, edited, gone)
    # Earlier releases left such holes where memory was scarce for a while.
    await store.redis.execute_command("LREM", keys.deliveries(34), 1, (await raw_deliveries(store))[1])
    report = await replayed(store)
    assert report.different == []
    assert "lie between" in str(report.inexact[0].inexact)


async def test_a_changed_reducer_reports_exactly_the_reviews_concerned(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await mirror(store, *story(1))
    await mirror(store, make_review(2), make_deletion(make_review(2)))
    before, after = make_review(3), make_review(3, rating=1, update_date="2025-09-05T00:00:00Z")
    await mirror(store, before, ago=5 * DAY, retention=0)
    await mirror(store, after)
    forget_ones(monkeypatch)

    report = await replayed(store)

    assert sorted(one.review_id for one in report.different) == [1, 3]
    (kind,) = [one for found in report.different if found.review_id == 3 for one in found.mismatches if one.delivery_id]
    assert (kind.name, kind.stored, kind.replayed) == ("change", "updated", None)
    await mirror(store, make_review(4))
    assert sorted(one.review_id for one in (await replayed(store)).different) == [1, 3]


async def test_a_delivery_that_cannot_be_read_any_more_is_a_difference(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await mirror(store, make_review())

    def unable(_record: Record | None, _entry: Entry, _windows: Windows) -> Decision:
        raise UndecodableError("no_more", "this release cannot read it")

    monkeypatch.setitem(settling.RULES, Source.WEBHOOK, unable)
    (found,) = (await replayed(store)).different
    assert {(one.name, one.replayed) for one in found.mismatches} >= {("delivery", "no_more"), ("record", None)}


async def test_what_was_asked_for_and_is_not_kept_is_said_and_no_success(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    await mirror(store, *story(34))

    async def run(**chosen: Any) -> tuple[int, str, str]:
        capsys.readouterr()
        code = await replay.run(store, make_settings(), argparse.Namespace(**{**vars(OPTIONS), **chosen}))
        return code, *capsys.readouterr()

    code, shown, _ = await run(review=[34, 99])
    assert (code, shown.splitlines()[0]) == (1, "Of review 99 no delivery is kept.")
    assert (await run(since=now_ms() + DAY))[:2] == (0, "No deliveries are kept in this span.\n")
    code, shown, complaint = await run(since=2, until=1)
    assert (code, shown, "--since is after --until" in complaint) == (2, "", True)


async def test_since_until_and_review_choose(store: Store) -> None:
    await mirror(store, make_review(1), ago=5 * HOUR)
    await mirror(store, make_review(2), ago=1 * HOUR)
    (early,) = await kept(store, 1)
    late = early.received_at + 3 * HOUR
    assert (await replayed(store, since=late)).reviews == 1
    assert (await replayed(store, until=late)).reviews == 1
    assert (await replayed(store, since=early.received_at, until=early.received_at)).deliveries == 1
    assert (await replayed(store, review=[1, 2, 3])).reviews == 2


async def test_applying_rebuilds_record_history_and_indexes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await mirror(store, *story(34))
    forget_ones(monkeypatch)
    report = await replayed(store, apply=True)
    assert (report.applied, report.not_applied) == ([34], [])

    found = await reads.record_and_changes(store, 34)
    assert found is not None
    record, changes = found
    assert record.review["rating"] != 1
    assert [change.version for change in changes] == list(range(1, record.version + 1))
    assert changes[0].source is Source.WEBHOOK
    assert Source.REPLAY in {change.source for change in changes[1:]}
    counts = await reads.counts_by_status_and_partner(store)
    assert {key: count for key, count in counts.items() if count} == {(str(record.status), "google_my_business"): 1}
    assert (await replayed(store)).different == []
    await mirror(store, make_deletion(make_review(34, update_date="2025-09-06T00:00:00Z"), "2025-09-12T00:00:00Z"))
    assert (await replayed(store)).different == []


async def test_applying_gives_way_to_a_delivery_that_waits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await mirror(store, *story(34))
    before = await store.redis.get(keys.record(34))
    await accept(store, 34, make_body(make_review(34, rating=5, update_date="2025-09-07T00:00:00Z")))
    forget_ones(monkeypatch)
    monkeypatch.setattr(replay, "_APART_S", 0)
    report = await replayed(store, apply=True)
    assert (report.applied, report.not_applied) == ([], [34])
    assert await store.redis.get(keys.record(34)) == before

    await drain(store)
    assert (await replayed(store, apply=True)).applied == [34]
    record = await reads.record(store, 34)
    assert record is not None
    assert record.review["rating"] == 5


async def test_a_delivery_applied_between_reading_and_rebuilding_is_not_lost(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await mirror(store, *story(34))
    forget_ones(monkeypatch)
    late = make_review(34, rating=5, update_date="2025-09-07T00:00:00Z")
    rebuild = rebuilding.rebuild

    async def overtaken(*arguments: Any) -> bool:
        if await inbox.waiting_for(store, 34) == 0 and len(await kept(store, 34)) == 8:
            await mirror(store, late)
        return await rebuild(*arguments)

    monkeypatch.setattr(rebuilding, "rebuild", overtaken)
    assert (await replayed(store, apply=True)).applied == [34]
    record = await reads.record(store, 34)
    assert record is not None
    assert record.review == late


async def test_applying_mends_a_record_that_cannot_be_read_if_its_whole_life_is_kept(store: Store) -> None:
    await mirror(store, *story(34))
    intact = await reads.record_and_changes(store, 34)
    await store.redis.set(keys.record(34), b"{}")
    await mirror(store, make_review(34, update_date="2025-09-08T00:00:00Z"))
    assert await dead_letters.count(store) == 1

    assert (await replayed(store, apply=True)).applied == [34]

    assert await reads.record_and_changes(store, 34) == intact
    assert await store.redis.exists(keys.CORRUPT) == 0
    await store.redis.set(keys.record(34), b"{}")
    await store.redis.execute_command("LPOP", keys.deliveries(34))
    (found,) = (await replayed(store)).inexact
    assert "cannot be read" in str(found.inexact)


@pytest.mark.parametrize("others", [[], [b"no event"]])
async def test_a_redelivery_is_one_in_the_replay_too(store: Store, others: list[bytes]) -> None:
    live, edited = make_review(34), make_review(34, rating=1)
    await mirror(store, live, ago=5 * HOUR)
    await mirror(store, make_deletion(live), ago=HOUR // 2)
    await failed_attempts.record(store, {failed_attempts.digest(make_body(edited)): now_ms() - 2 * HOUR}, HOUR)
    await accept(store, 34, *others, make_body(edited))
    await drain(store)

    found = await reads.record(store, 34)
    assert found is not None
    assert found.status is Status.MISSING
    assert (await kept(store, 34))[-1].first_attempt_at is not None
    report = await replayed(store)
    assert (report.deliveries, report.different, report.inexact) == (3, [], [])


async def test_a_redelivery_is_kept_as_one_where_no_other_delivery_is_kept(store: Store) -> None:
    live = make_review(34)
    await mirror(store, live, ago=5 * HOUR, retention=0)
    await mirror(store, make_deletion(live), ago=HOUR // 2, retention=0)
    await failed_attempts.record(store, {failed_attempts.digest(make_body(live)): now_ms() - 2 * HOUR}, HOUR)
    await mirror(store, live)
    assert [entry.first_attempt_at is not None for entry in await kept(store, 34)] == [True]
    assert (await replayed(store)).different == []
