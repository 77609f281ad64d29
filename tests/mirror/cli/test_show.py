import json

from mirror.storage import keys
from mirror.storage.store import Store
from tests.commands import mirror as run
from tests.mirror.mirrored import mirror
from tests.support import make_review


async def test_show_prints_a_review_as_it_is_mirrored(store: Store, redis_url: str) -> None:
    await mirror(store, make_review(34))
    shown = run(redis_url, "show", "34")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert json.loads(shown.stdout)["review"] == make_review(34)


async def test_show_says_when_there_is_no_such_review(redis_url: str) -> None:
    shown = run(redis_url, "show", "34")
    assert (shown.returncode, shown.stdout) == (1, "Review 34 is not mirrored.\n")
    stored = run(redis_url, "show", "34", "--stored")
    assert (stored.returncode, stored.stdout) == (1, "Redis holds nothing of review 34.\n")


async def test_show_stored_prints_what_redis_holds_without_compression(store: Store, redis_url: str) -> None:
    await mirror(store, make_review(34), make_review(34, rating=5, update_date="2025-09-05T10:00:00.000000+02:00"))
    weight = await store.redis.strlen(keys.record(34))
    shown = run(redis_url, "show", "34", "--stored")
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert lines[0].startswith(f"rm:{{34}}:record  1 value, {weight} bytes stored, ")
    assert json.loads(lines[1])["review"]["rating"] == 5
    assert [json.loads(line)["kind"] for line in lines[3:5]] == ["first_seen", "updated"]
    found = json.loads(run(redis_url, "show", "34", "--stored", "--json").stdout)["keys"]
    assert [one["key"] for one in found] == ["rm:{34}:record", "rm:{34}:changes", "rm:{34}:deliveries"]
    assert found[0]["stored_bytes"] == weight < found[0]["plain_bytes"]
    assert found[0]["values"][0]["value"]["version"] == 2


async def test_show_stored_tells_of_a_key_of_another_type(store: Store, redis_url: str) -> None:
    await store.redis.execute_command("SADD", keys.record(34), "x")
    shown = run(redis_url, "show", "34", "--stored")
    assert "rm:{34}:record  cannot be read: WRONGTYPE" in shown.stdout
