"""`python -m mirror dead-letters`: what was accepted and could not be applied."""

import json
import re

import pytest

from mirror.clock import now_ms
from mirror.domain.dead_letters import DeadLetter
from mirror.domain.inbox import make_delivery_id
from mirror.storage import dead_letters, inbox, keys
from mirror.storage.store import Store
from tests.commands import mirror
from tests.mirror.mirrored import accept, drain
from tests.support import make_body, make_review

HOUR = 3_600_000


async def keep(store: Store, *bodies: bytes) -> list[str]:
    """Keep dead letters received 3, 2, … hours ago, and return their ids."""
    ids = []
    for number, body in enumerate(bodies):
        at = now_ms() - (3 - number) * HOUR
        ids.append(make_delivery_id(at, number))
        await dead_letters.keep(store, DeadLetter(ids[-1], at, "not_json", "the body is not JSON: …", body))
    return ids


async def test_the_list_says_how_many_how_old_and_why_and_pages(store: Store, redis_url: str) -> None:
    ids = await keep(store, b"{", b"[", b"\xff")
    shown = mirror(redis_url, "dead-letters", "list", "--limit", "2")
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    # Seconds may have passed since.
    assert re.fullmatch(r"3 dead letters, the oldest received 3 h( \d+ (s|min))? ago\.", lines[0])
    assert (lines[1].split()[:3], lines[1].split()[-1]) == ([ids[0], "3", "h"], "not_json")
    assert lines[2].strip() == "webhook, 1 bytes: the body is not JSON: …"
    assert lines[-1] == f"1 more: --after {ids[1]}"

    rest = json.loads(mirror(redis_url, "dead-letters", "list", "--after", ids[1], "--json").stdout)
    assert (rest["count"], rest["next"]) == (3, None)
    assert [letter["delivery_id"] for letter in rest["dead_letters"]] == [ids[2]]
    assert rest["dead_letters"][0].keys() >= {"age_s", "code", "message", "source", "review_id", "bytes"}
    assert "body" not in rest["dead_letters"][0]


@pytest.mark.parametrize("action", [("list",), ("retry", "--all"), ("drop", "--all")])
def test_without_dead_letters_each_action_says_so(action: tuple[str, ...], redis_url: str) -> None:
    shown = mirror(redis_url, "dead-letters", *action)
    assert (shown.returncode, shown.stdout) == (0, "No dead letters: every delivery accepted could be read.\n")


async def test_show_prints_the_raw_body_without_obeying_it(store: Store, redis_url: str) -> None:
    (text, binary) = await keep(store, b'{"a":\n"\x1b[2Jgone"', b"\xff\x00")
    shown = mirror(redis_url, "dead-letters", "show", text)
    assert shown.returncode == 0
    assert shown.stdout.endswith('\n\n{"a":\n"\\u001b[2Jgone"\n')
    assert mirror(redis_url, "dead-letters", "show", binary).stdout.endswith("\n\\xff\\u0000\n")
    assert json.loads(mirror(redis_url, "dead-letters", "show", binary, "--json").stdout)["body_base64"] == "/wA="


async def test_retry_moves_what_can_be_read_and_names_the_rest(store: Store, redis_url: str) -> None:
    readable, not_readable = await keep(store, make_body(make_review()), b"{")
    shown = mirror(redis_url, "dead-letters", "retry", "--all")
    assert shown.returncode == 1
    lines = shown.stdout.splitlines()
    assert f"{readable}  waits for a worker, review 34" in lines
    assert any(line.startswith(f"{not_readable}  stays, not_json: ") for line in lines)
    assert await inbox.waiting_for(store, 34) == 1
    assert await dead_letters.ids(store) == [not_readable]
    again = json.loads(mirror(redis_url, "dead-letters", "retry", readable, "--json").stdout)
    assert again["results"] == [
        {"delivery_id": readable, "outcome": "gone", "review_id": None, "code": None, "reason": None}
    ]


async def test_nothing_is_dropped_without_a_yes(store: Store, redis_url: str) -> None:
    first, second = await keep(store, b"{", b"[")
    refused = mirror(redis_url, "dead-letters", "drop", first)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--yes" in refused.stderr
    assert await dead_letters.count(store) == 2

    assert mirror(redis_url, "dead-letters", "drop", first, "--yes").stdout == "1 dead letter dropped.\n"
    assert await dead_letters.ids(store) == [second]
    gone = mirror(redis_url, "dead-letters", "drop", first, second, "--yes", "--json")
    assert gone.returncode == 1
    assert json.loads(gone.stdout) == {"dropped": [second], "not_there": [first]}


@pytest.mark.parametrize("arguments", [("retry",), ("drop", "--all", "x"), ("list", "--limit", "0"), ()])
def test_misuse_is_status_2(arguments: tuple[str, ...], redis_url: str) -> None:
    shown = mirror(redis_url, "dead-letters", *arguments)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert shown.stderr


async def test_status_and_doctor_name_a_corrupt_record(store: Store, redis_url: str) -> None:
    await store.redis.set(keys.record(34), b"{}")
    await accept(store, 34, make_body(make_review()))
    await drain(store)
    assert "corrupt       records of reviews 34" in mirror(redis_url, "status").stdout.splitlines()
    shown = mirror(redis_url, "doctor", "--without-worker")
    assert shown.returncode == 1
    assert "fail  records: what Redis holds of reviews 34 cannot be read" in shown.stdout
    assert "dead-letters retry --all" in shown.stdout


async def test_the_list_says_how_often_a_body_came(store: Store, redis_url: str) -> None:
    ids = await keep(store, b"{", b"{", b"{")
    shown = mirror(redis_url, "dead-letters", "list").stdout
    assert re.search(r"webhook, 1 bytes, received 3 times, first 3 h( \d+ (s|min))? ago: the body is not JSON", shown)
    (letter,) = json.loads(mirror(redis_url, "dead-letters", "list", "--json").stdout)["dead_letters"]
    assert (letter["delivery_id"], letter["times_received"]) == (ids[2], 3)
    assert letter["first_received_at"] < letter["received_at"]
