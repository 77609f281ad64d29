"""`GET /ratings`: now, at a moment, as a series; exact after every commit, and rebuilt where the feed was lost."""

import pytest

from mirror.storage import forgetting, keys, ratings
from mirror.storage.store import Store
from tests.service.support import START, apply, error_of, read
from tests.support import READ, Client, make_body, make_deletion, make_review
from worker.deciding import Policy
from worker.drain import Drainer

DAY = 86_400_000
BUSINESS = "5409c35a97bbc544d8e26737"


async def show(store: Store, review_id: int, rating: int | None, day: int = 0, **fields: object) -> None:
    clock = f"2025-09-{12 + day:02d}T00:00:00Z"
    review = make_review(review_id, rating=rating, update_date=clock, **fields)
    await apply(store, (review_id, START + day * DAY, make_body(review)))


async def vanish(store: Store, review_id: int, rating: int, day: int) -> None:
    review = make_review(review_id, rating=rating, update_date="2025-09-12T00:00:00Z")
    deletion = make_deletion(review, f"2025-09-{12 + day:02d}T00:00:00Z")
    await apply(store, (review_id, START + day * DAY, make_body(deletion)))


async def test_an_empty_mirror_has_no_rating(service: Client) -> None:
    found = await read(service, "/ratings")
    assert found["shown"] == found["adjusted"]
    assert (found["shown"]["count"], found["shown"]["average"]) == (0, None)


async def test_what_is_missing_lowers_what_is_shown_and_not_what_is_so(service: Client, store: Store) -> None:
    await show(store, 1, 5)
    await show(store, 2, 2)
    await vanish(store, 1, 5, day=2)
    found = await read(service, "/ratings", business_id=BUSINESS)
    assert (found["shown"]["average"], found["adjusted"]["average"]) == (2, 3.5)
    assert found["adjusted"]["stars"] == {"1": 0, "2": 1, "3": 0, "4": 0, "5": 1}
    await show(store, 1, 5, day=9)
    found = await read(service, "/ratings", business_id=BUSINESS)
    assert found["shown"] == found["adjusted"]
    then = await read(service, "/ratings", business_id=BUSINESS, at="2025-09-16T00:00:00Z")
    assert (then["shown"]["count"], then["adjusted"]["count"]) == (1, 2)


async def test_a_series_has_a_bucket_for_each_beginning(service: Client, store: Store) -> None:
    await show(store, 1, 5)
    await show(store, 2, 3, day=1)
    query = {"business_id": BUSINESS, "from": "2025-09-12T00:00:00Z", "to": "2025-09-14T00:00:00Z", "interval": "day"}
    found = (await read(service, "/ratings", **query))["buckets"]
    assert [one["at"][:10] for one in found] == ["2025-09-12", "2025-09-13", "2025-09-14"]
    assert [one["shown"]["count"] for one in found] == [0, 1, 2]


async def test_partners_and_businesses_are_told_apart(service: Client, store: Store) -> None:
    await show(store, 1, 5)
    await show(store, 2, None, partner="facebook", recommended=True)
    await show(store, 3, 1, business_id="b2")
    assert (await read(service, "/ratings", partner="facebook"))["shown"]["recommended"] == 1
    by_business = (await read(service, "/ratings", group_by="business"))["groups"]
    assert {one["business_id"]: one["shown"]["count"] for one in by_business} == {BUSINESS: 1, "b2": 1}
    by_partner = (await read(service, "/ratings", group_by="partner"))["groups"]
    assert [one["partner"] for one in by_partner] == ["facebook", "google_my_business"]


async def test_a_review_that_moves_to_another_business_counts_there_alone(service: Client, store: Store) -> None:
    await show(store, 1, 5)
    await read(service, "/ratings")
    await show(store, 1, 5, day=2, business_id="b2")
    assert (await read(service, "/ratings", business_id=BUSINESS))["shown"]["count"] == 0
    assert (await read(service, "/ratings", business_id="b2"))["shown"]["count"] == 1


async def test_a_forgotten_review_counts_nowhere(service: Client, store: Store) -> None:
    await show(store, 1, 5)
    await read(service, "/ratings")
    await forgetting.demand(store, [1])
    await Drainer(store, Policy()).run()
    assert (await read(service, "/ratings", business_id=BUSINESS))["shown"]["count"] == 0


async def test_where_the_feed_was_lost_the_ratings_are_worked_out_anew(service: Client, store: Store) -> None:
    for number in range(3):
        await show(store, number, 4)
    await read(service, "/ratings")
    for number in range(3, 6):
        await show(store, number, 4)
    await store.redis.xtrim(keys.FEED, maxlen=1, approximate=False)
    assert (await read(service, "/ratings"))["shown"]["count"] == 6


async def test_a_mirror_that_is_still_being_worked_through_says_so(
    service: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ratings, "STEP", 1)
    for number in range(15):
        await show(store, number, 4)
    answer = await service.get("/ratings", headers=READ)
    assert await error_of(answer) == (503, "ratings_not_ready")
    assert int(answer.headers["Retry-After"]) > 0


async def test_doing_a_step_twice_changes_nothing(service: Client, store: Store) -> None:
    await show(store, 1, 5)
    before = await read(service, "/ratings", at="2025-10-01T00:00:00Z")
    await store.redis.delete(keys.RATINGS_PROGRESS)
    assert await read(service, "/ratings", at="2025-10-01T00:00:00Z") == before


@pytest.mark.parametrize(
    "query",
    [
        {"at": "1757664000"},
        {"to": "2025-09-12"},
        {"from": "2025-09-12", "to": "2025-09-01"},
        {"from": "2025-09-12", "at": "2025-09-12"},
        {"from": "1999-01-01", "interval": "day"},
        {"group_by": "star"},
        {"from": "2025-09-12", "interval": "year"},
    ],
)
async def test_what_cannot_be_used_is_refused_by_name(service: Client, query: dict[str, str]) -> None:
    assert await error_of(await service.get("/ratings", headers=READ, params=query)) == (400, "bad_parameter")


async def test_an_answer_of_too_many_buckets_is_refused(
    service: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.ratings.MAX_GROUPED_BUCKETS", 3)
    await show(store, 1, 5)
    await show(store, 2, 3, business_id="b2")
    query = {"group_by": "business", "from": "2025-09-12T00:00:00Z", "to": "2025-09-13T00:00:00Z"}
    assert await error_of(await service.get("/ratings", params=query, headers=READ)) == (400, "bad_parameter")
    assert len((await read(service, "/ratings", **query, interval="month"))["groups"]) == 2
