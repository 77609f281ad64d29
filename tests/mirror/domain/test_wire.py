"""Partoo's wire format: what is read whole, what is refused and under which code, and that nothing else is raised."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mirror.domain.clocks import filter_clock, instant
from mirror.domain.review import is_deleted
from mirror.domain.wire import (
    MAX_NESTING,
    MAX_REVIEW_ID,
    REVIEW_EVENT_TYPES,
    OtherEvent,
    ReviewEvent,
    UndecodableError,
    decode,
    decode_review,
    identify,
)
from tests.mirror.domain.strategies import JSON
from tests.support import make_body, make_review

SAMPLE = (Path(__file__).parent / "samples" / "partoo_sample.json").read_bytes()
CODES = {"not_json", "too_deep", "not_an_event", "no_review", "bad_review_id", "unknown_review_event"}
ENVELOPE_NESTING = 3  # the body, its payload, the review

quick = settings(deadline=None, max_examples=150)


def told_by_identify(body: bytes) -> tuple[str, int | None] | str:
    """Identify, or give the code of the refusal. Nothing else may be raised."""
    try:
        return identify(body)
    except UndecodableError as error:
        return error.code


def refusal(body: bytes) -> str:
    with pytest.raises(UndecodableError) as refused:
        decode(body)
    assert told_by_identify(body) == refused.value.code
    assert str(refused.value)
    assert "\n" not in str(refused.value)
    return refused.value.code


def review_of(body: bytes) -> dict[str, Any]:
    event = decode(body)
    assert isinstance(event, ReviewEvent)
    assert identify(body) == (event.type, event.review_id)
    return event.review


def with_id(text: str) -> bytes:
    return b'{"type":"review_updated","payload":{"review":{"id":' + text.encode() + b"}}}"


def nested(levels: int, opening: str = "[", closing: str = "]") -> bytes:
    """Make a body of a review that nests so many levels in all."""
    inner = levels - ENVELOPE_NESTING
    return make_body({"id": 34, "x": 0}).replace(b'"x":0', f'"x":{opening * inner}{closing * inner}'.encode())


# Partoo's own sample, and what it may look like


def test_partoos_own_sample_is_decoded_whole() -> None:
    event = decode(SAMPLE)

    assert isinstance(event, ReviewEvent)
    assert event.type == "review_updated"
    assert event.review_id == 34
    assert event.review == json.loads(SAMPLE)["payload"]["review"]
    assert event.review["comments"]["content"] == "Merci ❤️"
    assert event.review["comments"]["replies"] == [{}]
    assert decode_review(SAMPLE) == event


def test_partoos_own_sample_is_live_and_has_a_clock_though_its_delete_date_cannot_be_read() -> None:
    review = review_of(SAMPLE)
    assert not is_deleted(review)
    assert filter_clock(review) == 1_501_607_754_256_000
    assert instant(review["delete_date"]) is None


@pytest.mark.parametrize(
    "comments", [{"id": 82938, "replies": [{"id": 1, "replies": []}]}, None, [], [{"id": 1}, {"id": 2}], "none"]
)
def test_comments_of_any_shape_are_kept_as_they_came(comments: Any) -> None:
    sample = json.loads(SAMPLE)
    sample["payload"]["review"]["comments"] = comments
    assert review_of(json.dumps(sample).encode()) == sample["payload"]["review"]


@pytest.mark.parametrize("field", sorted(set(json.loads(SAMPLE)["payload"]["review"]) - {"id"}))
def test_every_field_but_the_id_may_be_missing_or_null(field: str) -> None:
    sample = json.loads(SAMPLE)
    sample["payload"]["review"][field] = None
    assert review_of(json.dumps(sample).encode()) == sample["payload"]["review"]
    del sample["payload"]["review"][field]
    assert review_of(json.dumps(sample).encode()) == sample["payload"]["review"]


def test_unknown_fields_states_and_partners_are_kept() -> None:
    review = make_review(
        state="pending_auto_reply",
        partner="a_partner_of_the_future",
        media_links=["https://example.com/1.jpg"],
        a_field_of_the_future={"deep": [1, {"er": None}]},
    ) | {"": "", "with space": 2**70, "clé": 1e-300}
    assert review_of(make_body(review)) == review


def test_what_stands_beside_the_review_and_beside_the_payload_does_not_matter() -> None:
    body = b'{"event_id": 7, "payload": {"new": [], "review": {"id": 34}}, "type": "review_created"}\r\n'
    assert decode(body) == ReviewEvent("review_created", {"id": 34})


@pytest.mark.parametrize("event_type", ["review_updated", "review_update", "review_created"])
def test_the_event_is_taken_under_each_of_the_names_that_partoo_uses(event_type: str) -> None:
    assert decode(make_body({"id": 1}, event_type)) == ReviewEvent(event_type, {"id": 1})
    assert event_type in REVIEW_EVENT_TYPES


@pytest.mark.parametrize("event_type", ["business_updated", "message_created", "lead_received", ""])
def test_an_event_of_another_type_that_carries_no_review_is_another_event(event_type: str) -> None:
    payloads: list[Any] = [None, [], {"business": {"id": 34}}, {"review": None}, {"review": {"id": "no"}}]
    for payload in payloads:
        body = json.dumps({"type": event_type, "payload": payload}).encode()
        assert decode(body) == OtherEvent(event_type)
        assert identify(body) == (event_type, None)
        with pytest.raises(UndecodableError) as refused:
            decode_review(body)
        assert refused.value.code == "not_a_review"


@pytest.mark.parametrize(
    "event_type", ["review_deleted", "review_reply_created", "REVIEW_UPDATED", "review_updated ", "reviews.merged"]
)
@pytest.mark.parametrize("payload", [{"review": {"id": 34}}, {"review_id": 34}, {"review": {"id": "34"}}, None])
def test_an_event_about_reviews_of_an_unknown_type_is_not_taken_for_one_that_concerns_nobody(
    event_type: str, payload: Any
) -> None:
    assert refusal(json.dumps({"type": event_type, "payload": payload}).encode()) == "unknown_review_event"


@pytest.mark.parametrize("event_type", ["business_updated", "message_created", ""])
def test_an_event_of_any_unknown_type_that_carries_a_review_is_refused_with_the_id_of_the_review(
    event_type: str,
) -> None:
    with pytest.raises(UndecodableError) as refused:
        decode(make_body({"id": 34}, event_type))
    assert refused.value.code == told_by_identify(make_body({"id": 34}, event_type)) == "unknown_review_event"
    assert refused.value.review_id == 34


# What is repaired


@pytest.mark.parametrize(
    ("body", "repaired", "fields"),
    [
        (b"\xef\xbb\xbf" + SAMPLE, ("byte_order_mark",), json.loads(SAMPLE)["payload"]["review"]),
        (make_body({"id": 1, "rating": 0}).replace(b"0", b"NaN"), ("not_a_number",), {"rating": None}),
        (make_body({"id": 1, "rating": 0}).replace(b"0", b"-Infinity"), ("not_a_number",), {"rating": None}),
        (make_body({"id": 1, "rating": 0}).replace(b"0", b"1e400"), ("number_out_of_range",), {"rating": None}),
        (make_body({"id": 1, "rating": 0}).replace(b"0", b"1" * 5_000), ("number_out_of_range",), {"rating": None}),
        (make_body({"id": 1, "title": "x"}).replace(b"x", b"\xff"), ("invalid_utf8",), {"title": "\ufffd"}),
        (make_body({"id": 1, "title": "x"}).replace(b"x", b"\xc0\xaf"), ("invalid_utf8",), {"title": "\ufffd" * 2}),
        (make_body({"id": 1, "title": "x"}).replace(b"x", b"\xed\xa0\x80"), ("surrogate",), {"title": "\ufffd"}),
        (make_body({"id": 1, "title": "x"}).replace(b"x", b"\\ud800"), ("surrogate",), {"title": "\ufffd"}),
        (make_body({"id": 1, "title": "x"}).replace(b"x", b"\\ude00\\ud83d"), ("surrogate",), {"title": "\ufffd" * 2}),
        (make_body({"id": 1, "x": 0}).replace(b"x", b"\xff"), ("invalid_utf8",), {"\ufffd": 0}),
    ],
)
def test_what_a_strict_reading_refuses_is_repaired_and_the_event_says_how(
    body: bytes, repaired: tuple[str, ...], fields: dict[str, Any]
) -> None:
    event = decode(body)
    assert isinstance(event, ReviewEvent)
    assert event.repaired == repaired
    assert event.review == event.review | fields
    assert identify(body) == (event.type, event.review_id)
    assert msgspec.json.decode(msgspec.json.encode(event.review)) == event.review


def test_what_can_be_read_strictly_is_not_repaired() -> None:
    event = decode(SAMPLE)
    assert isinstance(event, ReviewEvent)
    assert event.repaired == ()


def test_an_id_that_had_to_be_repaired_is_no_id() -> None:
    assert refusal(with_id("NaN")) == refusal(with_id("1e999")) == refusal(with_id("1" * 5_000)) == "bad_review_id"


# Codes


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"hello",
        b"'a'",
        b"{}{}",
        b'{"type":"review_updated",}',
        SAMPLE.decode().encode("utf-16"),
        b"\x00" + SAMPLE,
        SAMPLE + b"\x00",
        SAMPLE[:-3],
        b"\x1f\x8b\x08\x00",
        make_body({"id": 1, "rating": 0}).replace(b"0", b"01"),
        make_body({"id": 1, "title": "x"}).replace(b"x", b"\x00"),
        make_body({"id": 1, "title": "x"}).replace(b"x", b"\n"),
    ],
)
def test_what_is_not_json_is_refused_as_such(body: bytes) -> None:
    assert refusal(body) == "not_json"


@pytest.mark.parametrize(
    "body", [b"null", b"[]", b'"review_updated"', b"1", b"{}", b'{"type":null}', b'{"type":1}', b'{"type":["a"]}']
)
def test_json_without_a_type_is_not_an_event(body: bytes) -> None:
    assert refusal(body) == "not_an_event"


@pytest.mark.parametrize(
    "rest", ["", ',"payload":null', ',"payload":[]', ',"payload":"x"', ',"payload":{}', ',"payload":{"review":null}']
)
def test_a_review_event_without_a_review_is_refused_as_such(rest: str) -> None:
    assert refusal(f'{{"type":"review_updated"{rest}}}'.encode()) == "no_review"
    assert refusal(make_body([{"id": 34}])) == "no_review"
    assert refusal(make_body("34")) == "no_review"


@pytest.mark.parametrize(
    "text",
    [
        '"34"',
        "34.0",
        "3.4e1",
        "1e10",
        "true",
        "false",
        "null",
        "[34]",
        "{}",
        "-1",
        str(2**63),
        str(2**64),
        "1" * 400,
    ],
)
def test_an_id_that_is_not_a_whole_number_of_63_bits_is_refused(text: str) -> None:
    assert refusal(with_id(text)) == "bad_review_id"


def test_a_missing_id_is_refused() -> None:
    assert refusal(make_body({"key": "34"})) == "bad_review_id"


@pytest.mark.parametrize("review_id", [0, 1, 34, 2**31, 2**53 + 1, 2**63 - 1])
def test_every_whole_number_of_63_bits_is_an_id_and_loses_no_digit(review_id: int) -> None:
    event = decode(with_id(str(review_id)))
    assert isinstance(event, ReviewEvent)
    assert event.review_id == review_id
    assert type(event.review_id) is int
    assert review_id <= MAX_REVIEW_ID


# Nesting


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_exactly_the_most_nesting_is_read_and_one_more_is_not(opening: str, closing: str) -> None:
    def body(levels: int) -> bytes:
        if opening == "[":
            return nested(levels)
        return nested(levels, opening, closing).replace(b":}", b":0}")

    # A second container beside the deep one: now the depth has to be measured, counting brackets is not enough.
    beside = body(MAX_NESTING).replace(b'"id":34', b'"id":34,"tags":[]')
    review = review_of(body(MAX_NESTING))
    assert review_of(beside) == review | {"tags": []}
    assert msgspec.json.decode(msgspec.json.encode(review)) == review
    assert refusal(body(MAX_NESTING + 1)) == "too_deep"


def test_the_most_nesting_counts_for_events_of_other_types_too() -> None:
    assert refusal(b'{"type":"x","payload":' + b"[" * MAX_NESTING + b"]" * MAX_NESTING + b"}") == "too_deep"


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"0" + b"}" * 100_000,
        nested(100_000),
        b'[{"a":' * 100_000,
    ],
    ids=["open lists", "lists", "objects", "within a review", "open mixture"],
)
def test_nesting_100_000_deep_is_refused_and_harms_nobody(body: bytes) -> None:
    assert refusal(body) == "too_deep"


def test_brackets_within_texts_do_not_count_as_nesting() -> None:
    review = make_review(content="[" * 1_000 + "{" * 1_000 + '\\"[')
    assert review_of(make_body(review)) == review


def test_many_containers_side_by_side_are_not_deep() -> None:
    review = make_review(tags=[{"id": number, "also": [[]]} for number in range(5_000)])
    assert review_of(make_body(review)) == review


# Odd but legal


def test_an_escaped_nul_and_an_escaped_emoji_are_read() -> None:
    assert review_of(make_body({"id": 1, "title": "x"}).replace(b"x", b"\\u0000\\ud83d\\ude00"))["title"] == "\x00😀"


def test_of_a_name_that_stands_twice_the_last_value_counts() -> None:
    body = b'{"type":"lead","type":"review_updated","payload":1,"payload":{"review":{"id":"x","id":34,"id":35}}}'
    assert decode(body) == ReviewEvent("review_updated", {"id": 35})
    assert refusal(b'{"type":"review_updated","payload":{"review":{"id":34,"id":"x"}}}') == "bad_review_id"


def attempt(body: bytes) -> ReviewEvent | OtherEvent | str:
    """Decode, or give the code of the refusal. Nothing else may be raised, and `identify` must say the same."""
    told = told_by_identify(body)
    try:
        event = decode(body)
    except UndecodableError as error:
        assert told == error.code  # noqa: PT017 - both outcomes are compared
        return error.code
    assert told == (event.type, event.review_id if isinstance(event, ReviewEvent) else None)
    return event


@quick
@given(st.binary() | st.text().map(str.encode))
@example(b'{"type":"review_updated","payload":{"review":{"id":34}}}')
def test_nothing_but_an_undecodable_error_leaves_decode_on_any_bytes(body: bytes) -> None:
    told = attempt(body)
    assert isinstance(told, ReviewEvent | OtherEvent) or told in CODES


PIECES = st.sampled_from(
    [
        b"NaN",
        b"1e999",
        b"1" * 5_000,
        b"\xff",
        b"\xed\xa0\x80",
        b"\\ud83d",
        b"\\",
        b'"',
        b"[" * 150,
        b"]",
        b"{}",
        b",",
        b"0",
        b"\xef\xbb\xbf",
    ]
) | st.sampled_from([b'"id":35', b'"review":{"id":36}', b'"payload":{"review":{"id":37}}', b'"type":"lead"'])


@quick
@given(st.lists(st.tuples(st.floats(0, 1), PIECES), min_size=1, max_size=4))
@example([(0.99, b'"' + b"[" * 300)])
def test_identify_and_decode_give_the_same_verdict_with_pieces_put_in_anywhere(
    edits: list[tuple[float, bytes]],
) -> None:
    body = make_body({"id": 34, "title": "x", "tags": [{"id": 1}], "rating": 3})
    for share, piece in edits:
        place = round(share * len(body))
        body = body[:place] + piece + body[place:]
    attempt(body)


@quick
@given(st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=4))
def test_nothing_but_an_undecodable_error_leaves_decode_on_a_body_with_bytes_changed(
    edits: list[tuple[int, int]],
) -> None:
    body = bytearray(make_body(make_review(tags=[{"id": 25, "label": "é"}])))
    for place, byte in edits:
        body[place % len(body)] = byte
    told = attempt(bytes(body))
    assert isinstance(told, ReviewEvent | OtherEvent) or told in CODES


@quick
@given(
    JSON
    | st.fixed_dictionaries({"type": st.sampled_from([*REVIEW_EVENT_TYPES, "lead"]) | JSON}, optional={"payload": JSON})
    | st.builds(lambda review: {"type": "review_updated", "payload": {"review": review}}, JSON)
    | st.builds(lambda any_id: {"type": "review_updated", "payload": {"review": {"id": any_id}}}, JSON)
)
def test_any_json_is_an_event_that_lost_nothing_or_undecodable(value: Any) -> None:
    told = attempt(json.dumps(value).encode())
    if isinstance(told, str):
        assert told in {"not_an_event", "no_review", "bad_review_id", "unknown_review_event"}
    else:
        assert told.type == value["type"]
    if isinstance(told, ReviewEvent):
        assert json.dumps(told.review) == json.dumps(value["payload"]["review"])
