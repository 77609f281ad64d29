"""System clocks that are wrong: nothing is dated by them, and they are told of."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mirror.domain.inbox import received_at
from tests.process import processes
from tests.support import READ, WEBHOOK, make_body, make_deletion, make_review, signed
from tools.dev.stack import free_port

TWO_YEARS_S = 2 * 365 * 86_400
EIGHT_DAYS_S = 8 * 86_400


@contextmanager
def skewed(off_s: int, kind: str, redis_url: str, log: Path, **variables: str) -> Iterator[processes.Process]:
    arguments = ["-m", "tests.process.skewed", str(off_s), kind]
    process = processes.Process(arguments, processes.environment(redis_url, **variables), log)
    try:
        process.wait_for(f"{kind}.started")
        yield process
    finally:
        process.stop()


def get(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=READ), timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        return {"http_status": error.code}


def post(url: str, review: dict[str, Any]) -> str:
    body = make_body(review)
    request = urllib.request.Request(url + WEBHOOK, data=body, headers=signed(body))
    with urllib.request.urlopen(request, timeout=5) as answer:
        delivery_id: str = json.load(answer)["delivery_id"]
        return delivery_id


def wait_for_status(url: str, status: str) -> dict[str, Any]:
    deadline = time.monotonic() + processes.PATIENCE_S
    while (found := get(f"{url}/reviews/34")).get("status") != status:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def is_now(moment: str) -> bool:
    return abs(datetime.now(UTC) - datetime.fromisoformat(moment)) < timedelta(minutes=1)


def test_a_web_process_two_years_ahead_dates_nothing_there(redis_url: str, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (
        processes.worker(redis_url, tmp_path / "worker.log"),
        skewed(TWO_YEARS_S, "service", redis_url, tmp_path / "service.log", PORT=str(port)) as service,
    ):
        delivery_id = post(url, make_review())
        record = wait_for_status(url, "live")
        ready = get(f"{url}/readyz")
        told = service.wait_for("clock.wrong")
    assert is_now(record["first_seen_at"])
    assert is_now(record["last_received_at"])
    assert is_now(datetime.fromtimestamp(received_at(delivery_id) / 1000, UTC).isoformat())
    assert round(told["skew_s"]) == TWO_YEARS_S
    assert ready["status"] == "ready"
    assert any("the clock of this machine is 730 d ahead of Redis's" in warning for warning in ready["warnings"])
    assert round(ready["clock_skew_s"]) == TWO_YEARS_S


def test_a_worker_eight_days_ahead_makes_nothing_gone_early(redis_url: str, tmp_path: Path) -> None:
    with processes.service(redis_url, tmp_path / "service.log") as (_, url):
        for number in (1, 2):
            # The second one watches over absences at its start, when there is one.
            with skewed(EIGHT_DAYS_S, "worker", redis_url, tmp_path / f"worker{number}.log") as worker:
                worker.wait_for("clock.wrong")
                if number == 1:
                    post(url, make_review())
                    wait_for_status(url, "live")
                    post(url, make_deletion(make_review()))
                    wait_for_status(url, "missing")
                else:
                    time.sleep(2)
        record = wait_for_status(url, "missing")
    assert is_now(record["missing_since"])
