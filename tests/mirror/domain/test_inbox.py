"""What waits for a review: entries that survive any body, the places that the Lua scripts rely on, and settling."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import mirror
from mirror.domain.changes import Source
from mirror.domain.dead_letters import DeadLetter
from mirror.domain.inbox import Entry, decode_entry, encode_entry, make_delivery_id
from mirror.domain.lifecycle import Status
from mirror.domain.settling import settle
from tests.mirror.domain.stories import DAY, START, WINDOWS
from tests.support import make_body, make_deletion, make_review

COMMIT_LUA = (Path(mirror.__file__).parent / "storage" / "lua" / "commit.lua").read_text()
LIVE = make_review()
NOISE = 0x00FF5B5D0A22

HOSTILE_BODIES = [
    b"",
    b"\n",
    b"\n\n\n",
    b"\r\n",
    b"\x00\x00",
    b"\xff\xfe\xfa",
    b'["0123456789ab0123456789ab",1,"webhook"]\n',
    b'"]',
    bytes(range(256)),
]


def entry(body: bytes, number: int = 0, source: Source = Source.WEBHOOK) -> Entry:
    at = START + number
    return Entry(make_delivery_id(at, number), at, source, body)


def lua_constant(name: str) -> int:
    """Read a constant of commit.lua, also from a line that sets several."""
    declaration = re.search(rf"^local ([\w, ]*\b{name}\b[\w, ]*) = ([\d, ]+)", COMMIT_LUA, re.MULTILINE)
    assert declaration is not None
    names, values = ([part.strip() for part in side.split(",")] for side in declaration.groups())
    return int(values[names.index(name)])


@pytest.mark.parametrize("body", HOSTILE_BODIES)
@pytest.mark.parametrize("source", Source)
def test_an_entry_comes_back_as_it_was_whatever_its_body(body: bytes, source: Source) -> None:
    waiting = entry(body, 7, source)
    assert decode_entry(encode_entry(waiting)) == waiting


@settings(deadline=None, max_examples=100)
@given(st.binary(), st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1), st.sampled_from(Source))
@example(b"\n", 0, 0, Source.REPLAY)
@example(b"", 2**48 - 1, 2**48 - 1, Source.WEBHOOK)
def test_any_entry_comes_back_and_has_its_id_and_time_where_the_lua_scripts_look(
    body: bytes, at: int, noise: int, source: Source
) -> None:
    waiting = Entry(make_delivery_id(at, noise), at, source, body)
    data = encode_entry(waiting)
    first, last, time_last = (lua_constant(name) for name in ("ID_FIRST", "ID_LAST", "TIME_LAST"))

    assert (first, last, time_last) == (3, 26, 14)
    assert decode_entry(data) == waiting
    # Lua counts from one and includes the last.
    assert data[first - 1 : last].decode() == waiting.delivery_id
    assert int(data[first - 1 : time_last], 16) == at
    assert data[first - 2 : first - 1] == data[last : last + 1] == b'"'
    assert data.endswith(b"\n" + body)


def test_the_header_is_one_line_of_json_before_the_raw_body() -> None:
    head, body = encode_entry(entry(b"\xff\nraw", 5, Source.VERIFICATION)).split(b"\n", 1)
    assert msgspec.json.decode(head) == [
        make_delivery_id(START + 5, 5),
        START + 5,
        "verification",
    ]
    assert body == b"\xff\nraw"


def test_of_a_webhooks_delivery_the_id_tells_when_it_was_received() -> None:
    waiting = entry(b"{}", 5)
    assert encode_entry(waiting) == f'["{waiting.delivery_id}"]\n{{}}'.encode()
    assert decode_entry(f'["{waiting.delivery_id}",{waiting.received_at},"webhook"]\n{{}}'.encode()) == waiting


def test_what_was_not_received_when_its_id_says_tells_when_it_was() -> None:
    waiting = Entry(make_delivery_id(START, 5), START + 7, Source.WEBHOOK, b"{}")
    assert decode_entry(encode_entry(waiting)) == waiting


def test_a_delivery_id_is_24_hexadecimal_digits_of_time_and_noise() -> None:
    assert make_delivery_id(0x0123456789AB, NOISE) == "0123456789ab00ff5b5d0a22"
    assert make_delivery_id(1, 0) == "000000000001000000000000"


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1)), min_size=2))
def test_delivery_ids_sort_by_time(moments: list[tuple[int, int]]) -> None:
    ids = sorted(make_delivery_id(at, noise) for at, noise in moments)
    times = [int(delivery_id[:12], 16) for delivery_id in ids]
    assert times == sorted(at for at, _ in moments)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"{}",
        b"[]\nbody",
        b'["id"]\nbody',
        b'["id",1]\nbody',
        b'["0123456789ab00ff5b5d0a2z"]\nbody',
        b'["id","1","webhook"]\nbody',
        b'["id",1,"rumour"]\nbody',
        b'[1,1,"webhook"]\nbody',
        b'["id",1,"webhook"',
        b'{"delivery_id":"id","received_at":1,"source":"webhook"}\n',
        b"\x00",
    ],
)
def test_what_is_not_an_entry_is_refused_as_undecodable(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_entry(data)


# Settling


def test_settling_applies_entries_in_their_order() -> None:
    bodies = [make_body(LIVE), make_body(make_deletion(LIVE)), make_body(LIVE)]
    entries = [entry(body, number * DAY) for number, body in enumerate(bodies)]
    settled = settle(None, entries, WINDOWS)

    assert settled.before is None
    assert settled.record is not None
    assert settled.record.status is Status.LIVE
    assert settled.record.version == 3
    assert [decision.outcome for decision in settled.decisions] == ["first_seen", "vanished", "reappeared"]
    assert [change.delivery_id for change in settled.changes] == [waiting.delivery_id for waiting in entries]
    assert [change.received_at for change in settled.changes] == [waiting.received_at for waiting in entries]
    assert settled.dead_letters == []


def test_settling_nothing_leaves_the_record_as_it_is() -> None:
    record = settle(None, [entry(make_body(LIVE))], WINDOWS).record
    settled = settle(record, [], WINDOWS)
    assert settled.before is record
    assert settled.record is record
    assert settled.decisions == []
    assert settled.dead_letters == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "not_json"),
        (b"\xff", "not_json"),
        (b"[" * 100_000, "too_deep"),
        (b"[]", "not_an_event"),
        (make_body(None), "no_review"),
        (make_body({"id": "34"}), "bad_review_id"),
        (make_body(LIVE, "business_updated"), "unknown_review_event"),
    ],
)
def test_an_undecodable_entry_in_the_middle_becomes_a_dead_letter_and_holds_up_nobody(body: bytes, code: str) -> None:
    entries = [entry(make_body(LIVE), 1), entry(body, 2), entry(make_body(make_deletion(LIVE)), 3)]
    settled = settle(None, entries, WINDOWS)

    assert [decision.outcome for decision in settled.decisions] == ["first_seen", "vanished"]
    assert [decision.delivery.delivery_id for decision in settled.decisions] == [
        entries[0].delivery_id,
        entries[2].delivery_id,
    ]
    (letter,) = settled.dead_letters
    assert (letter.delivery_id, letter.received_at, letter.code) == (entries[1].delivery_id, START + 2, code)
    assert letter.body == body
    assert letter.message
    assert msgspec.json.decode(msgspec.json.encode(letter), type=DeadLetter) == letter


def test_a_review_of_which_nothing_could_be_read_has_no_record() -> None:
    settled = settle(None, [entry(b"x", 1), entry(b"y", 2)], WINDOWS)
    assert settled.record is None
    assert settled.changes == []
    assert [letter.body for letter in settled.dead_letters] == [b"x", b"y"]


def test_a_dead_letter_leaves_a_known_record_untouched() -> None:
    record = settle(None, [entry(make_body(LIVE))], WINDOWS).record
    assert settle(record, [entry(b"x", 60_000)], WINDOWS).record == record


def test_unchanged_and_stale_entries_are_decisions_without_a_change() -> None:
    older = LIVE | {"update_date": "2025-08-01T00:00:00Z"}
    settled = settle(None, [entry(make_body(one), n) for n, one in enumerate([LIVE, LIVE, older])], WINDOWS)
    assert [decision.outcome for decision in settled.decisions] == ["first_seen", "unchanged", "stale"]
    assert len(settled.changes) == 1


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from([make_body(LIVE), make_body(make_deletion(LIVE)), b"", b"{}"]) | st.binary(max_size=9)))
def test_every_entry_ends_up_in_a_decision_or_as_a_dead_letter(bodies: list[bytes]) -> None:
    entries = [entry(body, number) for number, body in enumerate(bodies)]
    settled = settle(None, entries, WINDOWS)
    ends: list[Any] = [decision.delivery for decision in settled.decisions] + settled.dead_letters
    assert sorted(end.delivery_id for end in ends) == [waiting.delivery_id for waiting in entries]
