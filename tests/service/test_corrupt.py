"""What Redis holds is not trusted when it is read: what the mirror did not write is named and harms nothing else."""

import msgspec
import pytest

from mirror.storage import keys
from mirror.storage.store import Store
from tests.conftest import StartService
from tests.corrupt import BAD_HISTORIES, BAD_RECORDS, CHANGE, RECORD
from tests.service.conftest import Log
from tests.service.support import START, apply, error_of, ids_in, list_ids, read
from tests.support import READ, Client, make_body, make_deletion, make_review

HOUR = 3_600_000
CORRUPT = (500, "corrupt_record")


async def put_history(store: Store, entries: list[bytes]) -> None:
    await store.redis.delete(keys.changes(34))
    if entries:
        await store.redis.execute_command("RPUSH", keys.changes(34), *entries)


@pytest.mark.parametrize("name", BAD_RECORDS)
async def test_a_record_that_cannot_be_read_is_an_error_of_its_own_and_one_line_in_the_log(
    log: Log, start_service: StartService, store: Store, name: str
) -> None:
    service = await start_service()
    await store.redis.set(keys.record(34), BAD_RECORDS[name])
    answer = await service.get("/reviews/34", headers=READ)
    assert await error_of(answer) == CORRUPT
    assert "review 34" in (await answer.json())["error"]["message"]
    [line] = log.lines(lambda line: "request_id" in line)
    assert (line["event"], line["level"], line["review_id"]) == ("record.corrupt", "error", 34)
    assert line["request_id"] == answer.headers["X-Request-ID"]
    assert "exception" not in line
    assert "Castorche" not in log.text


@pytest.mark.parametrize("name", BAD_RECORDS)
async def test_a_list_goes_on_without_a_record_that_cannot_be_read_and_names_it(
    log: Log, start_service: StartService, store: Store, name: str
) -> None:
    service = await start_service()
    await apply(store, *((one, START, make_body(make_review(one))) for one in (33, 34, 35)))
    await store.redis.set(keys.record(34), BAD_RECORDS[name])
    page = await read(service, "/reviews")
    assert (ids_in(page["reviews"]), page["next"], page["corrupt"]) == ([33, 35], None, [34])
    assert [line["review_id"] for line in log.lines(lambda line: line["event"] == "record.corrupt")] == [34]


async def test_a_list_of_nothing_but_garbage_is_an_answer_and_not_a_flood_in_the_log(
    log: Log, start_service: StartService, store: Store
) -> None:
    service = await start_service()
    ids = list(range(250))
    await apply(store, *((one, START, make_body(make_review(one))) for one in ids))
    await store.redis.mset(dict.fromkeys(map(keys.record, ids), b"garbage"))
    page = await read(service, "/reviews")
    assert (page["reviews"], page["next"], page["corrupt"]) == ([], None, ids)
    assert len(log.lines(lambda line: line["event"] == "record.corrupt")) == 10


@pytest.mark.parametrize("name", BAD_HISTORIES)
async def test_a_history_that_cannot_be_read_is_an_error_and_the_review_itself_is_still_shown(
    service: Client, store: Store, name: str
) -> None:
    await store.redis.set(keys.record(34), msgspec.json.encode(RECORD))
    await put_history(store, BAD_HISTORIES[name])
    assert (await read(service, "/reviews/34"))["version"] == 2
    paths = ["/reviews/34/changes", "/reviews/34?at=2025-09-12T08:30:00Z"]
    if name == "of another review":
        paths.pop()  # it need not be gone back over for what the review was after its last change
    for path in paths:
        assert await error_of(await service.get(path, headers=READ)) == CORRUPT


async def test_a_cursor_always_leads_on_whatever_the_history_says(service: Client, store: Store) -> None:
    await store.redis.set(keys.record(34), msgspec.json.encode(RECORD))
    await put_history(store, [msgspec.json.encode(CHANGE | {"version": 100 + number}) for number in range(5)])
    first = await read(service, "/reviews/34/changes", limit=2)
    assert first["next"] == "103"
    assert await error_of(await service.get("/reviews/34/changes?limit=2&cursor=4", headers=READ)) == CORRUPT


@pytest.mark.parametrize("make", ["lpush", "sadd", "hset"])
async def test_a_key_of_another_type_is_corrupt_and_not_a_redis_that_is_away(
    service: Client, store: Store, make: str
) -> None:
    await apply(store, (34, START, make_body(make_review())))
    for key in (keys.record(34), keys.changes(34)):
        await store.redis.delete(key)
        await store.redis.execute_command(make, key, "a", *(["b"] if make == "hset" else []))
        paths = ["/reviews/34?at=2025-09-12T08:00:00Z"]
        paths += ["/reviews/34"] if key == keys.record(34) else ["/reviews/34/changes", "/reviews/34/changes?cursor=2"]
        if key == keys.changes(34) and make == "lpush":
            paths.pop()
        for path in paths:
            assert await error_of(await service.get(path, headers=READ)) == CORRUPT, path
        await store.redis.set(keys.record(34), msgspec.json.encode(RECORD))


async def test_members_of_an_index_that_the_mirror_did_not_write_are_passed_over(service: Client, store: Store) -> None:
    await apply(store, *((one, START, make_body(make_review(one))) for one in range(300)))
    odd = [f"{sign}{number}" for sign in ("!", "zz", "", "0") for number in range(300)]
    odd += ["9" * 5000, "00000000000000000x", "\u0663" * 19, ""]
    for index in (keys.index("live", "google_my_business"), keys.business(make_review()["business_id"])):
        await store.redis.zadd(index, dict.fromkeys(odd, 0))
    assert await list_ids(service, limit=37) == list(range(300))
    assert await list_ids(service, limit=200, business_id=make_review()["business_id"]) == list(range(300))


async def test_metrics_readiness_and_lists_survive_names_and_counts_that_are_none(
    service: Client, store: Store
) -> None:
    await store.redis.execute_command("HSET", keys.COUNTERS, "ambiguous", "many", b"\xff", "1", "ack_seconds:le:1.0", 7)
    await store.redis.execute_command("SADD", keys.PARTNERS, b"\xff\xfe", 'a"b\n{}')
    await store.redis.execute_command("ZADD", keys.WORKERS, 9e12, b"\xff")
    text = await (await service.get("/metrics")).text()
    assert "reviewmirror_redis_up 1.0" in text
    assert 'reviewmirror_acknowledgement_seconds_bucket{le="1.0"} 7.0' in text
    assert "reviewmirror_ambiguous_changes_total 0.0" in text
    assert (await service.get("/readyz")).status == 200
    assert await read(service, "/reviews") == {"reviews": [], "next": None, "cursor": "0-0"}


async def test_other_reviews_are_not_touched_by_one_that_cannot_be_read(service: Client, store: Store) -> None:
    await apply(
        store, (35, START, make_body(make_review(35))), (35, START + 1, make_body(make_deletion(make_review(35))))
    )
    await store.redis.set(keys.record(34), b"garbage")
    assert (await read(service, "/reviews/35"))["status"] == "missing"
    assert len((await read(service, "/reviews/35/changes"))["changes"]) == 2
