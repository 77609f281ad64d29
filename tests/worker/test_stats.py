"""How absences end, counted with the commits: exact, once in effect, for all, each partner and each business."""

import itertools
import random
from collections import Counter
from typing import Any

import pytest

from mirror.absence_views import counts_view, overview_view
from mirror.domain.absences import Counts
from mirror.domain.durations import bucket
from mirror.domain.incidents import Thresholds, business_scope, partner_scope
from mirror.domain.lifecycle import Status
from mirror.storage import absences, keys
from mirror.storage.store import Store
from tests.worker.support import DAY, GRACE, HOUR, Mirror
from worker import drain
from worker.deciding import Policy
from worker.drain import Drainer

NONE = Counts(absences=0, returned=0, returned_from_gone=0, gone=0, back={})


@pytest.fixture
def mirror(store: Store, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    """A mirror in which nothing is an incident."""
    return Mirror(store, monkeypatch, Thresholds(reviews=1_000_000))


async def all_counts(mirror: Mirror) -> Counts:
    (counts,) = await absences.counts(mirror.store, [absences.ALL])
    return counts


async def test_a_small_story_is_counted(mirror: Mirror) -> None:
    await mirror.show(1, 2, 3, 4)
    assert await all_counts(mirror) == NONE
    await mirror.vanish(1, 2, 3, 4, 5)
    mirror.now += DAY
    await mirror.show(1, 2)
    await mirror.later(GRACE)
    await mirror.show(3)
    await mirror.vanish(1)

    assert counts_view(await all_counts(mirror)) == {
        "absences": 6,
        "returned": 3,
        "gone": 2,
        "going_on": 1,
        "returned_from_gone": 1,
        "returned_after_s": {
            "p50": pytest.approx(86_400, rel=0.05),
            "p90": pytest.approx(8 * 86_400, rel=0.05),
            "p99": pytest.approx(8 * 86_400, rel=0.05),
        },
    }


def expected(changes_of: list[list[Any]], statuses: list[Status]) -> dict[str, Any]:
    """Count the histories anew."""
    kinds = Counter(change.kind for changes in changes_of for change in changes)
    returns = [change.missing_for for changes in changes_of for change in changes if change.kind == "reappeared"]
    from_gone = sum(
        before.kind == "gone" and after.kind == "reappeared"
        for changes in changes_of
        for before, after in itertools.pairwise([one for one in changes if one.kind != "updated"])
    )
    return {
        "absences": kinds["vanished"],
        "returned": kinds["reappeared"],
        "gone": statuses.count(Status.GONE),
        "going_on": statuses.count(Status.MISSING),
        "returned_from_gone": from_gone,
        "back": Counter(bucket(one) for one in returns),
    }


def shown(counts: Counts) -> dict[str, Any]:
    view = counts_view(counts)
    del view["returned_after_s"]
    return view | {"back": counts.back}


async def test_the_counts_of_a_random_history_are_those_that_its_changes_give(mirror: Mirror) -> None:
    dice = random.Random(5)  # noqa: S311 - the same dice each time
    of = {one: {"business_id": f"b{one % 3}", "partner": f"p{one % 2}"} for one in range(1, 13)}
    for one, fields in of.items():
        await mirror.show(one, **fields)
    for _ in range(80):
        one = dice.choice(list(of))
        await dice.choice((mirror.show, mirror.vanish))(one, **of[one])
        await mirror.later(dice.choice((HOUR, DAY, GRACE // 3)))

    async def told(ids: list[int]) -> dict[str, Any]:
        return expected([await mirror.changes(one) for one in ids], await mirror.statuses(*ids))

    assert shown(await all_counts(mirror)) == await told(list(of))
    assert (await all_counts(mirror)).gone > 5
    overview = await absences.overview(mirror.store, 2)
    assert shown(overview.overall) == await told(list(of))
    for number in range(3):
        (counts,) = await absences.counts(mirror.store, [business_scope(f"b{number}")])
        assert shown(counts) == await told([one for one in of if one % 3 == number])
    assert set(overview.by_partner) == {"p0", "p1"}
    for partner, counts in overview.by_partner.items():
        assert shown(counts) == await told([one for one in of if one % 2 == int(partner[1])])
    most = [counts.absences for counts in overview.by_business.values()]
    assert len(most) == 2
    assert most == sorted(most, reverse=True)


async def test_a_commit_that_is_repeated_counts_once(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    once = drain.commit  # type: ignore[attr-defined]

    async def twice(*args: Any) -> Any:
        answer = await once(*args)
        assert await once(*args) == [False] * len(answer)
        return answer

    monkeypatch.setattr(drain, "commit", twice)
    await mirror.show(1)
    await mirror.vanish(1)
    await mirror.later(GRACE)
    await mirror.show(1)
    counts = await all_counts(mirror)
    assert (counts.absences, counts.returned, counts.gone, counts.returned_from_gone) == (1, 1, 1, 1)


async def test_deliveries_applied_in_one_batch_count_as_those_applied_one_by_one(mirror: Mirror) -> None:
    await mirror.show(1)
    drainer, mirror.drainer = mirror.drainer, _Idle(mirror.store)
    for _ in range(3):
        await mirror.vanish(1)
        mirror.now += DAY
        await mirror.show(1)
    assert await all_counts(mirror) == NONE
    assert await drainer.run()
    assert await all_counts(mirror) == Counts(3, 3, 0, 0, {bucket(DAY): 3})
    assert await mirror.store.redis.zcard(keys.ABSENCES) == 0


async def test_a_deletion_that_names_another_business_moves_the_count(mirror: Mirror) -> None:
    await mirror.show(1, business_id="old")
    await mirror.vanish(1, business_id="old")
    await mirror.later(GRACE)
    await mirror.vanish(1, business_id="new")
    old, new, everything = await absences.counts(
        mirror.store, [business_scope("old"), business_scope("new"), absences.ALL]
    )
    assert (old.absences, old.gone, old.going_on) == (0, 0, 0)
    assert (new.absences, new.gone) == (everything.absences, everything.gone) == (1, 1)
    await mirror.show(1, business_id="old")
    (new,) = await absences.counts(mirror.store, [business_scope("new")])
    assert (new.returned, new.ended_gone, new.going_on) == (1, 0, 0)


async def test_updates_of_a_missing_review_count_nothing(mirror: Mirror) -> None:
    await mirror.vanish(1)
    await mirror.vanish(1)
    await mirror.vanish(1, rating=5)
    assert await all_counts(mirror) == Counts(1, 0, 0, 0, {})


async def test_a_partner_without_absences_is_not_listed(mirror: Mirror) -> None:
    await mirror.show(1, partner="facebook")
    await mirror.vanish(2, partner="tripadvisor")
    view = overview_view(await absences.overview(mirror.store, 10))
    assert [one["partner"] for one in view["by_partner"]] == ["tripadvisor"]
    (counts,) = await absences.counts(mirror.store, [partner_scope("facebook")])
    assert counts == NONE


async def test_what_is_kept_of_a_business_is_small(mirror: Mirror) -> None:
    for number in range(10):
        await mirror.vanish(1)
        mirror.now += DAY * (number + 1)
        await mirror.show(1)
    (business,) = await mirror.store.redis.zrange(keys.ABSENT_BUSINESSES, 0, -1)
    assert await mirror.store.redis.memory_usage(keys.STATS_PREFIX + business_scope(business.decode())) < 400


class _Idle(Drainer):
    """A worker that does nothing."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, Policy())

    async def run(self) -> bool:
        return True
