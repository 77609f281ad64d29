"""The receiver of outgoing webhooks: what it takes, what it refuses, and what it says in the end."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from tools.simulator.cli import main
from tools.simulator.errors import UsageError
from tools.simulator.receiving import Faults, Received, Receiver, key_of

SECRET = "whsec_" + "AAECAwQFBgcICQoLDA0ODw=="
NOW = 1_800_000_000


def body(version: int, review_id: int = 34, kind: str = "updated") -> bytes:
    data = {"version": version, "kind": kind}
    event = {"id": f"{review_id}-{version}", "type": f"reviewmirror.review.{kind}", "subject": str(review_id)}
    return json.dumps(event | {"time": "2025-09-10T20:15:30Z", "data": data}).encode()


def headers(content: bytes, at: int = NOW, secret: str = SECRET) -> dict[str, str]:
    event_id = json.loads(content)["id"]
    moment = datetime.fromtimestamp(at, tz=UTC)
    signed = Webhook(secret).sign(event_id, moment, content.decode())
    return {"webhook-id": event_id, "webhook-timestamp": str(at), "webhook-signature": signed}


def receiver(faults: Faults | None = None) -> Receiver:
    return Receiver([key_of(SECRET)], faults or Faults(), lambda _: None)


def judge(one: Receiver, content: bytes, changed: dict[str, str] | None = None, now: float = NOW) -> Received:
    return one.judge(headers(content) | (changed or {}), content, now)


def test_what_is_signed_is_taken() -> None:
    one = receiver()
    assert (judge(one, body(1)).status, judge(one, body(2)).note) == (200, "signed, in order")
    assert not one.tally.wrong


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-signature": "v1,AAAA"},
        {"webhook-id": "34-2"},
        {"webhook-timestamp": str(NOW - 1)},
        {"webhook-timestamp": "yesterday"},
        {"webhook-signature": ""},
    ],
)
def test_what_is_not_signed_by_the_secret_is_refused(changed: dict[str, str]) -> None:
    one = receiver()
    assert judge(one, body(1), changed).status == 401
    assert (one.tally.taken, one.tally.forged, one.tally.wrong) == (0, 1, True)


def test_a_request_of_another_time_is_refused() -> None:
    assert judge(receiver(), body(1), now=NOW + 301).status == 401


def test_one_of_two_secrets_is_enough() -> None:
    content = body(1)
    both = Receiver([key_of("whsec_" + "AQEB" * 8), key_of(SECRET)], Faults(), lambda _: None)
    assert both.judge(headers(content), content, NOW).status == 200


def test_what_comes_again_or_out_of_order_is_noted() -> None:
    one = receiver()
    for version in (1, 3):
        judge(one, body(version))
    assert judge(one, body(3)).note == "again"
    assert judge(one, body(2)).note == "OUT OF ORDER: version 2 after 3"
    assert judge(one, body(1, review_id=35)).note == "signed, in order"
    assert (one.tally.taken, one.tally.again, one.tally.out_of_order) == (4, 1, 1)


def test_the_share_that_is_told_to_fail_does() -> None:
    one = receiver(Faults(status=500, share=0.2))
    statuses = [judge(one, body(version)).status for version in range(1, 501)]
    assert set(statuses) == {200, 500}
    assert 60 < statuses.count(500) < 140
    assert one.tally.failed == statuses.count(500)


@pytest.mark.parametrize("secret", ["whsec_", "whsec_?", "hunter2"])
def test_a_secret_that_is_none_is_named(secret: str) -> None:
    with pytest.raises(UsageError, match="--secret"):
        key_of(secret)


@pytest.mark.parametrize("wrong", [("--share", "2"), ("--fail", "99"), ("--port", "70000"), ("--secret", "x")])
def test_arguments_that_cannot_be_used_are_one_line_and_status_2(
    wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["receive", "--port", "0", "--secret", SECRET, *wrong]) == 2
    assert capsys.readouterr().err.startswith(f"error: {wrong[0]}")


@contextmanager
def running(*arguments: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    command = [sys.executable, "-m", "tools.simulator", "receive", "--port", "0", "--secret", SECRET, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().split()[2]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def post(url: str, content: bytes, **changed: str) -> int:
    request = urllib.request.Request(url, data=content, headers=headers(content, int(time.time())) | changed)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def rest_of(process: "subprocess.Popen[str]") -> Any:
    assert process.stdout is not None
    return process.stdout.read()


@pytest.mark.process
def test_it_prints_what_comes_and_ends_after_so_many() -> None:
    with running("--count", "2") as (process, url):
        assert [post(url, body(1)), post(url, body(2))] == [200, 200]
        assert process.wait(10) == 0
        shown = rest_of(process)
    assert "34-2  reviewmirror.review.updated  2025-09-10T20:15:30Z | signed, in order | 200" in shown
    assert "2 events taken, of 1 reviews or incidents" in shown


@pytest.mark.process
def test_it_ends_with_1_where_something_was_wrong() -> None:
    with running() as (process, url):
        assert post(url, body(1), **{"webhook-signature": "v1,AAAA"}) == 401
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 1
        assert "1 with a wrong signature" in rest_of(process)
