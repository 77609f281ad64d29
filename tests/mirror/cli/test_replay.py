"""`python -m mirror replay`: its report and its exit status."""

import json

from mirror.domain.changes import Kind
from mirror.storage import keys
from mirror.storage.frames import decompress
from mirror.storage.store import Store
from tests.commands import mirror as run
from tests.mirror.mirrored import mirror
from tests.support import make_deletion, make_review


async def test_replay_reports_differences_by_review_and_ends_with_status_1(store: Store, redis_url: str) -> None:
    await mirror(store, make_review(34), make_deletion(make_review(34)))
    await mirror(store, make_review(35))
    same = run(redis_url, "replay")
    assert (same.returncode, same.stderr) == (0, "")
    assert same.stdout == "2 reviews with 3 deliveries replayed: 0 differ, 0 could not be compared exactly.\n"

    # As if another release had taken the deletion for an update.
    stored = await store.redis.execute_command("LINDEX", keys.changes(34), 1)
    await store.redis.execute_command("LSET", keys.changes(34), 1, decompress(stored).replace(b"vanished", b"updated"))
    different = run(redis_url, "replay")
    assert different.returncode == 1
    assert different.stdout.splitlines()[0] == "Review 34 differs:"
    assert "kind: stored updated, replayed vanished" in different.stdout
    assert "1 differ" in different.stdout
    found = json.loads(run(redis_url, "replay", "--review", "34", "--json").stdout)
    assert [one["review_id"] for one in found["different"]] == [34]
    assert found["different"][0]["differences"][0]["name"] == "kind"

    applied = run(redis_url, "replay", "--apply")
    assert applied.returncode == 0
    assert applied.stdout.endswith("1 rebuilt.\n")
    assert Kind.VANISHED.encode() in decompress(await store.redis.execute_command("LINDEX", keys.changes(34), 1))
    assert run(redis_url, "replay").returncode == 0
