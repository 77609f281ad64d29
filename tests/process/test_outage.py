"""All workers are away for a day: what arrives meanwhile waits, takes little, and is applied in its order."""

from mirror.settings import Settings
from mirror.storage import counters, inbox, reads, server
from mirror.storage.store import Store
from service.webhook.worker_notifier import MAX_QUEUED
from tests.conftest import running_worker
from tests.support import Client, make_body, make_review, send, wait_until

DELIVERIES, REVIEWS = 300, 30
BODY_BYTES = 1_100


def body(number: int) -> bytes:
    review = make_review(number % REVIEWS, number=number, update_date=f"2025-09-04T10:{number // REVIEWS:02d}:00Z")
    missing = BODY_BYTES - len(make_body(review | {"content": ""}))
    return make_body(review | {"content": "m" * missing})


async def let_a_day_pass(store: Store) -> None:
    """Take away whatever expires: nothing of the mirror's may depend on it."""
    async for name in store.redis.scan_iter(count=1000):
        if await store.redis.ttl(name) >= 0:
            await store.redis.delete(name)


async def used_memory(store: Store) -> int:
    return (await server.memory(store)).used


async def test_a_days_outage_of_all_workers_loses_nothing_and_costs_little_more_than_the_bodies(
    service: Client, store: Store, settings: Settings, redis_url: str
) -> None:
    assert (await send(service, make_body(make_review(1_000)))).status == 200
    before = await used_memory(store)
    for number in range(DELIVERIES):
        assert (await send(service, body(number))).status == 200
    assert (await used_memory(store) - before) / DELIVERIES < 1.5 * BODY_BYTES
    assert await store.redis.zcard("arq:queue") <= MAX_QUEUED
    await let_a_day_pass(store)

    async def nothing_waits() -> bool:
        return (await inbox.backlog(store)).reviews == 0

    async with running_worker(settings, redis_url):
        await wait_until(nothing_waits)
    counts = await counters.read(store)
    assert sum(number for name, number in counts.items() if name.startswith("decisions:")) == DELIVERIES + 1
    for review_id in range(REVIEWS):
        found = await reads.record_and_changes(store, review_id)
        assert found is not None
        assert found[0].version == DELIVERIES // REVIEWS
        assert [change.fields["number"][1] for change in found[1][1:]] == list(
            range(review_id + REVIEWS, DELIVERIES, REVIEWS)
        )
