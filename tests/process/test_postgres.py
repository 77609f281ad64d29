"""A real worker with DATABASE_URL: with Postgres, without it, and without psycopg."""

import subprocess
import sys
from pathlib import Path

from mirror.storage import reads
from mirror.storage.store import Store
from tests.postgres_support import check_tables
from tests.process import processes
from tests.support import Client, make_body, make_deletion, make_review, send, wait_until

# A Python in which psycopg is not installed.
WITHOUT_PSYCOPG = """
import importlib.util, runpy, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "psycopg" else find(name, *rest)
sys.modules["psycopg"] = None
sys.argv = ["worker"]
runpy.run_module("worker", run_name="__main__")
"""


async def applied(store: Store, review_id: int) -> bool:
    return await reads.record(store, review_id) is not None


async def test_a_worker_keeps_the_tables_beside_its_other_work_and_goes_on_after_it_was_killed(
    service: Client, store: Store, redis_url: str, postgres_url: str, tmp_path: Path
) -> None:
    for number in range(3):
        with processes.worker(redis_url, tmp_path / "log", DATABASE_URL=postgres_url) as worker:
            for review_id in range(20):
                review = make_review(review_id, rating=number, update_date=f"2025-09-04T10:0{number}:00Z")
                assert (await send(service, make_body(review))).status == 200
            worker.kill()
    with processes.worker(redis_url, tmp_path / "log", DATABASE_URL=postgres_url):
        assert (await send(service, make_body(make_deletion(make_review(3))))).status == 200
        assert (await send(service, make_body(make_review(99)))).status == 200
        await wait_until(lambda: applied(store, 99))
        await check_tables(store, postgres_url)


async def test_a_worker_whose_postgres_is_away_applies_deliveries_and_says_so_once(
    service: Client, store: Store, redis_url: str, tmp_path: Path
) -> None:
    url = "postgresql://sink:postgres-pa55word@127.0.0.1:1/away"
    with processes.worker(redis_url, tmp_path / "log", DATABASE_URL=url) as worker:
        worker.wait_for("postgres.failing")
        assert (await send(service, make_body(make_review(34)))).status == 200
        await wait_until(lambda: applied(store, 34))
        assert worker.stop() == 0
    assert len(worker.lines("postgres.failing")) == 1
    assert "postgres-pa55word" not in worker.output()


def test_a_worker_without_psycopg_says_what_to_install_and_exits_2(redis_url: str) -> None:
    variables = processes.environment(redis_url, DATABASE_URL="postgres://user:secret@host/database")
    command = [sys.executable, "-c", WITHOUT_PSYCOPG]
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode == 2
    message = "DATABASE_URL is set, but psycopg is missing: pip install -r requirements-postgres.txt"
    assert ended.stderr == f"reviewmirror: {message}\n"
    variables = processes.environment(redis_url, DATABASE_URL="")
    running = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert running.stdout is not None
    with running.stdout:
        first = running.stdout.readline()
    running.terminate()
    running.wait(30)
    assert b"worker.started" in first
