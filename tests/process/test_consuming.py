"""The consumer of docs/consuming.md, as it stands there: equal to the mirror in the end, whatever dies."""

import json
import os
import random
import re
import sqlite3
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from mirror.clock import now_ms
from mirror.domain.outgoing import Secret, make_secret, signatures
from mirror.storage import keys
from tests.process.processes import Process, RedisServer, environment, redis_server, service, worker
from tests.support import API_TOKEN, READ, make_body, make_deletion, make_review, signed

DOCUMENT = (Path(__file__).parents[2] / "docs" / "consuming.md").read_text()
CONSUMER, VERIFYING = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
REVIEWS = 30


def get(url: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, headers=READ), timeout=10) as answer:
        return json.load(answer)


def deliver(url: str, chance: random.Random, versions: dict[int, int]) -> None:
    """Deliver a change of some review, or its deletion."""
    review_id = chance.randrange(REVIEWS)
    versions[review_id] = number = versions.get(review_id, 0) + 1
    clock = f"2025-09-{1 + number // 1440:02d}T{number // 60 % 24:02d}:{number % 60:02d}:00Z"
    review = make_review(review_id, rating=1 + number % 5, update_date=clock)
    body = make_body(make_deletion(review, clock) if chance.random() < 0.2 else review)
    request = urllib.request.Request(f"{url}/webhooks/partoo", data=body, headers=signed(body))
    urllib.request.urlopen(request, timeout=10).close()


def mirrored(url: str) -> dict[int, tuple[int, str, Any]]:
    page = get(f"{url}/reviews?limit=200")
    return {one["id"]: (one["version"], one["status"], one["review"]) for one in page["reviews"]}


def copied(copy: Path) -> dict[int, tuple[int, str, Any]]:
    with sqlite3.connect(copy, timeout=10) as db:
        rows = db.execute("SELECT id, version, status, review FROM reviews").fetchall()
    db.close()
    return {one: (version, status, json.loads(review)) for one, version, status, review in rows}


@contextmanager
def consumer(folder: Path, url: str) -> Iterator[Process]:
    variables = {**os.environ, "MIRROR_URL": url, "API_TOKEN": API_TOKEN, "COPY": str(folder / "copy.db")}
    process = Process(["-W", "error::SyntaxWarning", "-c", CONSUMER], variables, folder / "consumer.log")
    try:
        yield process
    finally:
        process.kill()


def wait_until_equal(url: str, folder: Path, process: Process) -> None:
    deadline = time.monotonic() + 30
    while (found := copied(folder / "copy.db")) != (expected := mirrored(url)) or not expected:
        assert process.ended is None, process.output()
        assert time.monotonic() < deadline, (found, expected)
        time.sleep(0.1)


def settle(server: RedisServer) -> None:
    """Wait until nothing waits to be applied."""
    client = server.client()
    deadline = time.monotonic() + 30
    while client.zcard(keys.WAITING):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    client.close()


def test_the_consumer_ends_up_equal_to_the_mirror_whatever_dies(tmp_path: Path) -> None:
    chance = random.Random(16)  # noqa: S311 - repeatable, and hides nothing
    versions: dict[int, int] = {}
    log = tmp_path / "log"
    with redis_server(tmp_path) as server:
        with service(server.url, log) as (web, url), worker(server.url, tmp_path / "worker") as applying:
            for _ in range(3):
                with consumer(tmp_path, url):
                    for _ in range(20):
                        deliver(url, chance, versions)
                    time.sleep(0.5)
            applying.kill()
            web.kill()
        server.kill()
        server.start()
        with service(server.url, log) as (_, url), worker(server.url, tmp_path / "worker"):
            with consumer(tmp_path, url) as reading:
                for _ in range(20):
                    deliver(url, chance, versions)
                settle(server)
                wait_until_equal(url, tmp_path, reading)
            # Away for so long that the feed does not reach back to its cursor any more.
            for _ in range(30):
                deliver(url, chance, versions)
            settle(server)
            client = server.client()
            client.xtrim(keys.FEED, maxlen=2, approximate=False)
            client.close()
            with consumer(tmp_path, url) as reading:
                wait_until_equal(url, tmp_path, reading)
                forget = Process(["-m", "mirror", "forget", "3", "--yes"], environment(server.url), tmp_path / "forget")
                assert forget.popen.wait(60) == 0, forget.output()
                assert 3 not in mirrored(url)
                wait_until_equal(url, tmp_path, reading)


def test_the_consumer_is_short() -> None:
    assert len([line for line in CONSUMER.splitlines() if line.strip()]) <= 40


def test_a_signature_is_verified_as_the_document_says() -> None:
    names: dict[str, Any] = {}
    exec(VERIFYING, names)  # noqa: S102 - it is our own document
    secret, body = make_secret(bytes(range(32))), b'{"id": "34-7"}'
    at = now_ms() // 1000
    headers = {"webhook-id": "34-7", "webhook-timestamp": str(at)}
    headers["webhook-signature"] = signatures([Secret(secret)], "34-7", at, body, now_ms())
    assert names["read_event"](secret, headers, body) == {"id": "34-7"}
    with pytest.raises(WebhookVerificationError):
        names["read_event"](secret, headers, body + b" ")
    assert names["Webhook"] is Webhook
