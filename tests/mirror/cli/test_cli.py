"""`python -m mirror`: what an engineer on call sees."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from aiohttp.test_utils import TestServer

from mirror.clock import iso, now_ms
from mirror.domain.changes import Source
from mirror.domain.dead_letters import DeadLetter, dead_letter
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.record import Windows
from mirror.domain.settling import settle
from mirror.storage import dead_letters, inbox, keys, server, workers
from mirror.storage.commit import Commit, commit
from mirror.storage.decoding import decode_record
from mirror.storage.embedded import embedded_redis
from mirror.storage.inbox_entries import decode_entry
from mirror.storage.store import Store
from tests.commands import mirror
from tests.mirror.domain.stories import after_grace
from tests.process.processes import redis_server
from tests.support import make_body, make_deletion, make_review
from tools.simulator.api import ApiOptions, FixedReviews, make_api

REVIEW = make_review(tags=[{"id": 25, "label": "food", "color": "#808080"}])
EDITED = REVIEW | {
    "rating": 1,
    "tags": [{"id": 26, "label": "till", "color": "#808080"}],
    "update_date": "2025-09-05T00:00:00Z",
}


async def apply(store: Store, *reviews: dict[str, Any], gap_ms: int = 0, known: bool = False) -> None:
    """Accept and apply deliveries that lie `gap_ms` apart; `known` if they are about reviews that are mirrored."""
    start = now_ms()
    for number, review in enumerate(reviews):
        at = start + number * gap_ms
        entry = Entry(make_delivery_id(at, number), at, Source.WEBHOOK, make_body(review))
        await inbox.accept(store, [(review["id"], entry)])
    for claimed in await inbox.claim(store):
        entries = [decode_entry(data) for data in claimed.entries]
        before = decode_record(claimed.review_id, claimed.record) if known and claimed.record is not None else None
        decided = settle(before, entries, Windows())
        one = Commit(claimed.review_id, entries[0].delivery_id, entries[-1].delivery_id, len(entries), decided)
        assert await commit(store, [one], start) == [True]


async def test_trace_tells_when_what_and_why(store: Store, redis_url: str) -> None:
    await apply(store, REVIEW, EDITED, make_deletion(EDITED), EDITED, gap_ms=86_400_000)
    shown = mirror(redis_url, "trace", "34")
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = [line.strip() for line in shown.stdout.splitlines()]
    assert lines[0] == "Review 34, google_my_business, business 5409c35a97bbc544d8e26737, live, returned once"
    kinds = [line.split(" UTC  ")[1] for line in lines if " UTC  " in line]
    assert kinds == ["first seen", "updated", "vanished", "reappeared, missing for 1 d, as it was before"]
    assert "rating       3 → 1" in lines
    assert "tags         + till, - food" in lines
    assert 'delete_date  (absent) → "2025-09-10T20:15:00+02:00"' in lines
    assert sum(line.startswith("webhook ") for line in lines) == 4


async def test_trace_as_json_holds_the_record_and_its_changes(store: Store, redis_url: str) -> None:
    await apply(store, REVIEW, EDITED)
    found = json.loads(mirror(redis_url, "trace", "34", "--json").stdout)
    assert found["review"] == EDITED
    assert [change["kind"] for change in found["changes"]] == ["first_seen", "updated"]
    assert found["changes"][1]["fields"]["rating"] == [3, 1]
    assert found["waiting"] == 0


async def test_trace_shows_a_review_as_it_was_at_a_moment(store: Store, redis_url: str) -> None:
    start = now_ms()
    await apply(store, REVIEW, EDITED, make_deletion(EDITED), gap_ms=86_400_000)
    then = iso(start + 2 * 86_400_000 - 1_000)
    lines = [line.strip() for line in mirror(redis_url, "trace", "34", "--at", then).stdout.splitlines()]
    assert lines[0] == "Review 34, google_my_business, business 5409c35a97bbc544d8e26737, live"
    assert [line.split(" UTC  ")[1] for line in lines if " UTC  " in line] == [
        "first seen",
        "updated",
        "the review was",
    ]
    assert lines[-1].startswith("tags ")
    found = json.loads(mirror(redis_url, "trace", "34", "--at", then, "--json").stdout)
    assert (found["review"], found["version"], found["at"]) == (EDITED, 2, then)
    early = mirror(redis_url, "trace", "34", "--at", "2020-01-01")
    assert early.returncode == 1
    assert early.stdout.startswith("Review 34 was not mirrored yet: it was first seen ")
    assert mirror(redis_url, "trace", "34", "--at", "yesterday").returncode == 2


async def test_trace_of_a_review_that_waits_says_so(store: Store, redis_url: str) -> None:
    at = now_ms()
    await inbox.accept(store, [(34, Entry(make_delivery_id(at, 0), at, Source.WEBHOOK, make_body(REVIEW)))])
    shown = mirror(redis_url, "trace", "34")
    assert shown.returncode == 1
    assert shown.stdout == "Review 34 is not mirrored: 1 delivery is waiting for the worker.\n"


def test_trace_of_an_unknown_review_says_so(redis_url: str) -> None:
    shown = mirror(redis_url, "trace", "35")
    assert shown.returncode == 1
    assert shown.stdout == "Review 35 is not mirrored: no delivery about it has been applied.\n"


async def test_trace_names_the_dead_letters_that_may_be_about_the_review(store: Store, redis_url: str) -> None:
    await apply(store, REVIEW)
    at = now_ms()
    letters = [
        Entry(make_delivery_id(at, number), at, Source.WEBHOOK, body)
        for number, body in enumerate((b'{"id": 34', b'{"id": 340', b'{"id": 35'))
    ]
    for entry in letters:
        await dead_letters.keep(store, dead_letter(entry, "not_json", "no JSON"))
    for review_id, letter in ((34, letters[0]), (35, letters[2])):
        shown = mirror(redis_url, "trace", str(review_id)).stdout
        assert [line.split(",")[0] for line in shown.splitlines() if "etter" in line] == [
            f"Dead letter {letter.delivery_id}"
        ]
        assert json.loads(mirror(redis_url, "trace", str(review_id), "--json").stdout)["dead_letters"] == [
            letter.delivery_id
        ]


async def test_trace_of_a_review_that_is_gone_says_since_when_it_is_missing(store: Store, redis_url: str) -> None:
    await apply(store, REVIEW, make_deletion(REVIEW))
    record = decode_record(34, await store.redis.get(keys.record(34)) or b"")
    await store.redis.set(keys.record(34), msgspec.json.encode(after_grace(record)))
    headline = mirror(redis_url, "trace", "34").stdout.splitlines()[0]
    since = iso(record.missing_since or 0).replace("T", " ").replace("Z", " UTC")
    assert headline.endswith(f", gone, missing since {since}, unproven")


@pytest.mark.parametrize("wrong", ["thirty-four", "-1", "3.4", "99999999999999999999"])
def test_trace_refuses_what_is_not_an_id(wrong: str, redis_url: str) -> None:
    shown = mirror(redis_url, "trace", wrong)
    assert shown.returncode == 2
    assert shown.stdout == ""


async def test_trace_shows_control_characters_instead_of_obeying_them(store: Store, redis_url: str) -> None:
    await apply(store, REVIEW | {"content": "\x1b[31mred\u202e", "partner": "\x1b]0;title\x07"})
    shown = mirror(redis_url, "trace", "34").stdout
    assert "\x1b" not in shown
    assert "\u202e" not in shown


async def test_trace_shows_french_and_emoji_as_they_are(store: Store, redis_url: str) -> None:
    content = "Très bien\u00a0! 5\u202f000 € 👨\u200d👩\u200d👧"
    await apply(store, REVIEW | {"content": content})
    assert content in mirror(redis_url, "trace", "34").stdout
    assert content in mirror(redis_url, "trace", "34", "--json").stdout


async def test_json_output_escapes_what_ends_a_line_or_turns_its_direction(store: Store, redis_url: str) -> None:
    content = "a\x85b\u2028c\u2029d\u202ee\x9b31mf\x7f"
    await apply(store, REVIEW | {"content": content})
    shown = mirror(redis_url, "trace", "34", "--json").stdout
    assert json.loads(shown)["review"]["content"] == content
    assert not any(character in shown for character in content if not character.isalnum())


COMMANDS: list[tuple[str, ...]] = [
    ("trace", "34"),
    ("status",),
    ("stats",),
    ("doctor", "--without-worker"),
    ("replay",),
    ("dead-letters", "list"),
    ("--help",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
async def test_stdout_in_ascii_fails_no_command(store: Store, redis_url: str, command: tuple[str, ...]) -> None:
    await apply(store, REVIEW, EDITED)
    shown = mirror(redis_url, *command, PYTHONIOENCODING="ascii")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "rating       3 -> 1" in shown.stdout or command[0] != "trace"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
async def test_json_loses_no_character_that_stdout_cannot_encode(store: Store, redis_url: str, encoding: str) -> None:
    await apply(store, REVIEW | {"content": "❤️ → é"})
    shown = mirror(redis_url, "trace", "34", "--json", PYTHONIOENCODING=encoding)
    assert json.loads(shown.stdout)["review"]["content"] == "❤️ → é"


async def test_status_shows_the_mirror_at_a_glance(store: Store, redis_url: str) -> None:
    await apply(store, REVIEW, make_deletion(REVIEW))
    await apply(store, REVIEW | {"id": 35, "partner": "facebook"})
    at = now_ms() - 90_000
    await inbox.accept(store, [(36, Entry(make_delivery_id(at, 0), at, Source.WEBHOOK, make_body(REVIEW)))])
    await store.redis.zadd(keys.WAITING, {"36": at})
    await workers.beat(store, "host:1:ab")
    await dead_letters.keep(store, DeadLetter("x", at, "not_json", "no", b"{"))
    await store.redis.zadd(keys.VERIFY, {"34": at, "35": at})
    await store.redis.zadd(keys.SECOND_LOOKS, {"36": at})
    lines = mirror(redis_url, "status").stdout.splitlines()
    assert lines[0] == "reviews       2 (1 live, 1 missing, 0 gone)"
    assert lines[1].strip() == "facebook: 1 live, 0 missing, 0 gone"
    assert lines[3] == "certainty     1 proven, 1 unproven, 0 ambiguous"
    assert lines[4].startswith("waiting       1 review, the oldest delivery for 1 min 3")
    assert lines[5] == "workers       1 (host:1:ab)"
    assert lines[6] == "deliveries    not watched yet"
    assert lines[7] == "incidents     none open"
    assert lines[8] == "questions     2 open, 1 answered and to be asked once more"
    assert lines[9] == "dead letters  1"
    assert lines[10] == "applied       3 deliveries (first_seen 2, vanished 1)"
    as_json = json.loads(mirror(redis_url, "status", "--json").stdout)
    assert (as_json["open_questions"], as_json["second_looks"]) == (2, 1)
    assert as_json["reviews"] == {"live": 1, "missing": 1, "gone": 0}
    assert as_json["waiting_reviews"] == 1


async def test_status_and_doctor_tell_that_deliveries_stay_away(store: Store, redis_url: str) -> None:
    ago = now_ms() - 7_200_000
    await store.redis.execute_command(
        "HSET", keys.SILENCE, "last_at", ago, "since", ago, "reason", "deaf", "usual_gap", 600_000, "limit", 1_500_000
    )
    shown = mirror(redis_url, "status").stdout
    assert "deliveries    stay away: the last 2 h" in shown
    assert "(usually 10 min at most), although reviews have changed at Partoo" in shown
    assert json.loads(mirror(redis_url, "status", "--json").stdout)["silence"]["reason"] == "deaf"
    checked = mirror(redis_url, "doctor", "--without-worker").stdout
    assert "warn  silence: no delivery has come for 2 h" in checked


async def test_status_counts_reviews_by_certainty(store: Store, redis_url: str) -> None:
    await apply(store, *(REVIEW | {"id": number} for number in range(4)))
    # The same clock, and an earlier state: a revert or a late copy.
    await apply(store, REVIEW | {"id": 9}, REVIEW | {"id": 9, "rating": 1}, REVIEW | {"id": 9})
    assert "certainty     4 proven, 0 unproven, 1 ambiguous" in mirror(redis_url, "status").stdout.splitlines()
    found = json.loads(mirror(redis_url, "status", "--json").stdout)
    assert found["by_certainty"] == {"proven": 4, "unproven": 0, "ambiguous": 1}


async def test_status_shows_the_open_incidents(store: Store, redis_url: str) -> None:
    business, others = REVIEW["business_id"], [f"b{number}" for number in range(10)]
    for number, business_id in enumerate([business, *others]):
        ids = range(100 * number, 100 * number + 20)
        await apply(store, *(make_deletion(make_review(one, business_id=business_id, partner=...)) for one in ids))
    await apply(store, *(make_review(one, partner=...) for one in range(4)), known=True)
    lines = mirror(redis_url, "status").stdout.splitlines()
    start = lines.index("incidents     11 open, they hold 216 missing reviews")
    assert lines[start + 11].strip() == "and 1 more: --json shows all"
    found = json.loads(mirror(redis_url, "status", "--json").stdout)["open_incidents"]
    assert len(found) == 11
    (one,) = [incident for incident in found if incident["business_id"] == business]
    assert (one["absences"], one["returned"], one["missing"]) == (20, 4, 16)


async def test_stats_tell_what_a_deletion_means(store: Store, redis_url: str) -> None:
    assert mirror(redis_url, "stats").stdout == "no review has been missing\n"
    for number in range(3):
        await apply(store, make_deletion(make_review(number, business_id=f"b{number % 2}")))
    await apply(store, make_review(0, business_id="b0"), known=True)
    lines = mirror(redis_url, "stats", "--limit", "1").stdout.splitlines()
    one_second = "back after p50 1.0 s, p90 1.0 s, p99 1.0 s"
    assert lines == [
        f"3 absences: 1 returned, 0 gone, 2 going on; {one_second}",
        "",
        "by partner",
        f"  google_my_business: 3 absences: 1 returned, 0 gone, 2 going on; {one_second}",
        "",
        "by business",
        f"  b0: 2 absences: 1 returned, 0 gone, 1 going on; {one_second}",
    ]
    assert mirror(redis_url, "stats", "--business-id", "b1").stdout == ("1 absence: 0 returned, 0 gone, 1 going on\n")
    found = json.loads(mirror(redis_url, "stats", "--json").stdout)
    assert [business["business_id"] for business in found["by_business"]] == ["b0", "b1"]
    assert (found["overall"]["absences"], found["overall"]["returned"], found["overall"]["going_on"]) == (3, 1, 2)
    found = json.loads(mirror(redis_url, "stats", "--json", "--business-id", "b1").stdout)
    assert (found["business_id"], found["absences"]) == ("b1", 1)
    assert mirror(redis_url, "stats", "--limit", "0").returncode == 2


def test_status_of_an_empty_mirror(redis_url: str) -> None:
    lines = mirror(redis_url, "status").stdout.splitlines()
    assert lines == [
        "reviews       none yet",
        "waiting       nothing",
        "workers       none (no heartbeat in the last day)",
        "deliveries    not watched yet",
        "incidents     none open",
        "questions     0 open, 0 answered and to be asked once more",
        "dead letters  0",
        "applied       0 deliveries",
    ]


async def test_doctor_is_content_with_a_stack_in_order(store: Store, redis_url: str) -> None:
    await workers.beat(store, "host:1:ab")
    shown = mirror(redis_url, "doctor", API_TOKEN="x" * 20, PARTOO_WEBHOOK_SECRET="y" * 20)
    assert shown.returncode == 0, shown.stdout
    told = [line for line in shown.stdout.splitlines() if "PARTOO_API_KEY" not in line]
    assert {line[:4] for line in told} == {"ok  "}
    assert "x" * 20 not in shown.stdout
    assert "y" * 20 not in shown.stdout


def test_doctor_says_what_is_missed_without_a_key_for_partoos_api(redis_url: str) -> None:
    shown = mirror(redis_url, "doctor", "--without-worker")
    assert "warn  Partoo's API: PARTOO_API_KEY is not set" in shown.stdout


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("the-right-one", "ok    Partoo's API: lists 1 review\n"),
        ("another", "warn  Partoo's API: Partoo's API answered 403"),
    ],
)
async def test_doctor_asks_partoo_whether_the_key_opens_its_api(redis_url: str, key: str, words: str) -> None:
    async with TestServer(make_api(FixedReviews([make_review()]), ApiOptions(key="the-right-one"))) as server:
        url = str(server.make_url("/v2"))
        variables = {"PARTOO_API_URL": url, "PARTOO_API_KEY": key}
        shown = await asyncio.to_thread(mirror, redis_url, "doctor", "--without-worker", **variables)
    assert shown.returncode == 0, shown.stdout
    assert words in shown.stdout
    assert key not in shown.stdout


def test_doctor_only_warns_of_a_partoo_that_is_away(redis_url: str) -> None:
    variables = {"PARTOO_API_URL": "http://127.0.0.1:1/v2", "PARTOO_API_KEY": "k"}
    shown = mirror(redis_url, "doctor", "--without-worker", **variables)
    assert shown.returncode == 0
    assert "warn  Partoo's API: Partoo's API cannot be reached" in shown.stdout


def test_doctor_counts_tokens_and_warns_of_the_shortest_without_showing_any(redis_url: str) -> None:
    shown = mirror(redis_url, "doctor", API_TOKEN=f"{'x' * 20},{'y' * 20}").stdout
    assert "ok    API_TOKEN: 2 set\n" in shown
    assert "x" * 20 not in shown
    shown = mirror(redis_url, "doctor", API_TOKEN=f"{'x' * 20},short").stdout
    assert "warn  API_TOKEN: shorter than 16 characters\n" in shown


def test_doctor_hints_at_a_misspelt_variable_and_fails_for_none(redis_url: str) -> None:
    shown = mirror(redis_url, "doctor", "--without-worker", API_TOKEN="", API_TOKENS="hunter2")
    assert shown.returncode == 0
    assert "warn  configuration: API_TOKENS is set, but nothing reads it: did you mean API_TOKEN?" in shown.stdout
    assert "hunter2" not in shown.stdout


def test_doctor_fails_without_a_worker_and_says_how_to_start_one(redis_url: str) -> None:
    shown = mirror(redis_url, "doctor")
    assert shown.returncode == 1
    assert "fail  workers: none is alive: deliveries are stored, but not applied" in shown.stdout
    assert "python -m worker" in shown.stdout


def test_doctor_in_a_release_phase_needs_no_worker(redis_url: str) -> None:
    shown = mirror(redis_url, "doctor", "--without-worker")
    assert shown.returncode == 0
    assert "workers" not in shown.stdout


async def test_doctor_fails_where_redis_may_evict_keys(store: Store, redis_url: str) -> None:
    await store.redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        shown = mirror(redis_url, "doctor", "--without-worker", "--json")
    finally:
        await store.redis.config_set("maxmemory-policy", "noeviction")
    assert shown.returncode == 1
    (failed,) = [check for check in json.loads(shown.stdout)["checks"] if check["state"] == "fail"]
    assert failed["name"] == "eviction policy"
    assert "set maxmemory-policy to noeviction" in failed["remedy"]


async def test_doctor_names_a_full_redis_first_of_all(store: Store, redis_url: str) -> None:
    await store.redis.config_set("maxmemory", "100kb")
    try:
        shown = mirror(redis_url, "doctor", "--without-worker")
    finally:
        await store.redis.config_set("maxmemory", "0")
    assert shown.returncode == 1
    assert "fail  memory: Redis is full" in shown.stdout


@pytest.mark.parametrize(
    ("share", "held", "found"),
    [
        (0.93, ["rm:waiting"], "fail  memory: Redis is nearly full ("),
        (0.93, [], "though nothing waits: from 90% on, and down to 85% again, every new delivery is refused with 503"),
        (0.87, [], "though nothing waits: "),
        (0.87, ["rm:waiting"], "warn  memory: "),
        (0.87, ["rm:kept"], "warn  memory: "),
        (0.82, [], "warn  memory: "),
    ],
)
async def test_doctor_judges_memory_as_the_service_does(
    store: Store, redis_url: str, share: float, held: list[str], found: str
) -> None:
    for key in held:
        await store.redis.zadd(key, {"34": now_ms()})
    # What comes and goes with a connection must not count much.
    await store.redis.setrange("ballast", 20_000_000, "a")
    await store.redis.config_set("maxmemory", int((await server.memory(store)).used / share))
    try:
        shown = mirror(redis_url, "doctor", "--without-worker")
    finally:
        await store.redis.config_set("maxmemory", "0")
    assert found in shown.stdout
    fails = found.startswith(("fail", "though"))
    assert (shown.returncode == 1) == fails


async def doctor_with_connections(store: Store, redis_url: str, most: int) -> str:
    limit = (await store.redis.config_get("maxclients"))["maxclients"]
    await store.redis.config_set("maxclients", str(most))
    try:
        return mirror(redis_url, "doctor", "--without-worker", WEB_CONCURRENCY="2").stdout
    finally:
        await store.redis.config_set("maxclients", limit)


@pytest.mark.parametrize(
    ("most", "remedy"), [(20, "set REDIS_MAX_CONNECTIONS to 3\n"), (24, "set REDIS_MAX_CONNECTIONS to 3 to 4\n")]
)
async def test_doctor_warns_where_connections_do_not_fit_and_says_what_does(
    store: Store, redis_url: str, most: int, remedy: str
) -> None:
    shown = await doctor_with_connections(store, redis_url, most)
    counted = "up to 30 at a release: (2 web + 1 worker) x 5 x 2, with one web dyno"
    assert f"warn  connection budget: {counted}, but only {most} allowed" in shown
    assert remedy in shown


async def test_doctor_advises_no_value_that_would_be_refused(store: Store, redis_url: str) -> None:
    shown = await doctor_with_connections(store, redis_url, 14)
    assert "set REDIS_MAX_CONNECTIONS" not in shown
    assert "take a plan with more connections" in shown


def test_doctor_says_when_redis_does_not_answer() -> None:
    shown = mirror("redis://127.0.0.1:1", "doctor")
    assert shown.returncode == 1
    assert "fail  Redis: does not answer" in shown.stdout
    assert "check REDIS_URL" in shown.stdout


@pytest.mark.process
@pytest.mark.parametrize("given", ["", ":guessed@"])
def test_doctor_tells_a_wrong_password_from_a_server_that_is_away(tmp_path: Path, given: str) -> None:
    with embedded_redis(str(tmp_path)) as url, redis.Redis.from_url(url) as client:
        client.config_set("requirepass", "right")
        shown = mirror(url.replace("://", f"://{given}"), "doctor")
    assert shown.returncode == 1
    assert ("WRONGPASS" if given else "NOAUTH") in shown.stdout
    assert "the password in REDIS_URL" in shown.stdout
    assert "guessed" not in shown.stdout


@pytest.mark.parametrize("command", [("trace", "34"), ("status",)])
def test_a_redis_that_is_away_is_one_line_on_stderr(command: tuple[str, ...]) -> None:
    shown = mirror("redis://:a-password@127.0.0.1:1", *command)
    assert (shown.returncode, shown.stdout) == (1, "")
    assert len(shown.stderr.splitlines()) == 1
    assert "check REDIS_URL" in shown.stderr
    assert "a-password" not in shown.stderr


@pytest.mark.process
def test_a_redis_that_has_no_connection_left_says_so_and_not_that_it_is_away(tmp_path: Path) -> None:
    with redis_server(tmp_path) as own, contextlib.closing(own.client()) as kept:
        kept.config_set("maxclients", "1")
        shown = mirror(own.url, "status")
    assert (shown.returncode, shown.stdout) == (1, "")
    assert len(shown.stderr.splitlines()) == 1
    assert "max number of clients reached" in shown.stderr
    assert "maxclients" in shown.stderr


@pytest.mark.process
@pytest.mark.parametrize("command", [("trace", "34"), ("status",), ("forget", "34", "--yes")])
def test_a_password_that_redis_refuses_is_named_for_what_it_is(tmp_path: Path, command: tuple[str, ...]) -> None:
    with redis_server(tmp_path) as own:
        client = own.client()
        client.config_set("requirepass", "right")
        client.close()
        shown = mirror(own.url.replace("://", "://:hunter2@"), *command)
    assert (shown.returncode, shown.stdout) == (1, "")
    assert len(shown.stderr.splitlines()) == 1
    assert "WRONGPASS" in shown.stderr
    assert "hunter2" not in shown.stderr


def test_a_bad_setting_is_one_line_on_stderr_and_status_2() -> None:
    shown = mirror("ftp://somewhere", "status")
    assert (shown.returncode, shown.stdout) == (2, "")
    assert len(shown.stderr.splitlines()) == 1
    assert shown.stderr.startswith(
        "reviewmirror: REDIS_URL must be a URL that starts with redis://, rediss:// or unix://"
    )


@pytest.mark.parametrize("arguments", [("--help",), ("trace", "--help"), ("status", "--help"), ("doctor", "--help")])
def test_help_needs_no_configuration(arguments: tuple[str, ...]) -> None:
    shown = mirror("ftp://somewhere", *arguments)
    assert shown.returncode == 0
    assert shown.stdout.startswith("usage: python -m mirror")


@pytest.mark.parametrize("arguments", [("trace", "34"), ("trace", "34", "--json")])
async def test_trace_of_a_record_or_a_history_that_cannot_be_read_is_one_line_on_stderr(
    store: Store, redis_url: str, arguments: tuple[str, ...]
) -> None:
    await apply(store, REVIEW)
    await store.redis.execute_command("RPUSH", keys.changes(34), b"garbage")
    shown = mirror(redis_url, *arguments)
    assert (shown.returncode, shown.stdout) == (1, "")
    await store.redis.set(keys.record(34), b'{"id": "a secret"}')
    shown = mirror(redis_url, *arguments)
    assert (shown.returncode, shown.stdout, len(shown.stderr.splitlines())) == (1, "", 1)
    assert shown.stderr.startswith("reviewmirror: what Redis holds of review 34 cannot be read: ValidationError")
    assert "a secret" not in shown.stderr


async def test_status_and_doctor_survive_names_and_counts_that_are_none(store: Store, redis_url: str) -> None:
    await store.redis.execute_command("HSET", keys.COUNTERS, "decisions:updated", "many", b"\xff", "1")
    await store.redis.execute_command("SADD", keys.PARTNERS, b"\xff\x1b[31m")
    await store.redis.execute_command("ZADD", keys.WORKERS, now_ms(), b"\xff\x1b[31m")
    for command in (("status",), ("status", "--json"), ("doctor",)):
        shown = mirror(redis_url, *command)
        assert (shown.returncode, shown.stderr) == (0, "")
        assert "\x1b" not in shown.stdout


async def test_doctor_names_the_server_and_its_own_version(store: Store, redis_url: str) -> None:
    info = await store.redis.info("server")
    own = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"
    assert f"ok    server: {own}\n" in mirror(redis_url, "doctor", "--without-worker").stdout
