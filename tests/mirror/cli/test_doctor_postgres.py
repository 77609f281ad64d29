"""What `doctor`, `status` and the metrics say of Postgres."""

import json
import sys
from typing import Any

import msgspec
import pytest

from mirror.cli.doctor_postgres import check_postgres
from mirror.domain.feed import Position
from mirror.storage import keys, sink
from mirror.storage.sink import SinkState
from mirror.storage.store import Store
from service.api.fleet_metrics import Snapshot, fleet_metrics
from tests.commands import mirror
from tests.postgres_support import query
from tests.support import make_settings


async def check(store: Store, url: str) -> tuple[str, str]:
    found = await check_postgres(store, make_settings(DATABASE_URL=url))
    return found.state, found.found


async def tell(store: Store, state: str = "following", **facts: Any) -> None:
    await sink.write_state(store, SinkState(state=state, at=0, **facts))


async def test_doctor_says_how_the_tables_stand(store: Store, postgres_url: str) -> None:
    assert await check(store, postgres_url) == ("warn", "answers, but no worker has written to it in the last day")
    await tell(store)
    assert await check(store, postgres_url) == ("ok", "following, 0 events behind")
    await store.redis.execute_command("XADD", keys.FEED, "1-1", "kind", "updated", "review_id", "1", "version", "1")
    state, found = await check(store, postgres_url)
    assert state == "warn"
    assert found.startswith("following, 1 events behind, the oldest for ")
    await tell(store, state="failing", error="no room", cursor=str(Position(1, 1)))
    assert await check(store, postgres_url) == ("warn", "failing: no room")


async def test_doctor_says_why_postgres_cannot_be_used(
    store: Store, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, found = await check(store, "postgresql://somebody:hidden@127.0.0.1:1/db")
    assert state == "warn"
    assert "cannot be used" in found
    assert "hidden" not in found
    query(postgres_url, "CREATE TABLE reviewmirror_schema (version integer)")
    query(postgres_url, "INSERT INTO reviewmirror_schema VALUES (99)")
    assert (await check(store, postgres_url))[1].startswith("its schema has version 99")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert (await check(store, postgres_url))[0] == "fail"


async def test_status_says_how_the_tables_stand(store: Store, redis_url: str) -> None:
    assert "postgres " not in mirror(redis_url, "status").stdout
    await tell(store, state="failing", error="no room", since=1)
    assert "postgres      failing, up to date: no room" in mirror(redis_url, "status").stdout
    found = json.loads(mirror(redis_url, "status", "--json").stdout)["postgres"]
    assert found == {
        "state": "failing",
        "failing_since": "1970-01-01T00:00:00.001Z",
        "error": "no room",
        "lag_events": 0,
        "lag_s": 0,
    }


def test_metrics_say_how_far_the_tables_are_behind() -> None:
    def values(snapshot: Snapshot) -> dict[str, float]:
        found = {metric.name: metric.samples for metric in fleet_metrics(snapshot) if "postgres" in metric.name}
        return {name: samples[0].value for name, samples in found.items()}

    nothing = Snapshot(
        counts={}, reviews={}, waiting=0, oldest_waiting_s=0, dead_letters=0, workers=0, open_questions=0
    )
    assert values(nothing) == {}
    state = SinkState(state="failing", at=0, error="no room")
    assert values(msgspec.structs.replace(nothing, sink=(state, sink.SinkLag(7, 1500)))) == {
        "reviewmirror_postgres_up": 0,
        "reviewmirror_postgres_lag_events": 7,
        "reviewmirror_postgres_lag_seconds": 1.5,
    }
