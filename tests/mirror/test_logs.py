"""Log lines: short enough, valid, telling whose they are, and without anybody's name or words."""

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.domain.changes import difference
from mirror.domain.personal import MAX_LOGGED_BYTES, MAX_PUBLIC_CHARS, PUBLIC_FIELDS, loggable
from mirror.logs import MAX_LINE_BYTES, LineWriter, configure, render_line, stamp
from tests.mirror.domain.strategies import ARBITRARY_REVIEWS, JSON, KNOWN_FIELDS
from tests.support import make_review, make_settings

DELIVERY_ID = "0199a1b2c3d4a1b2c3d4e5f6"
WHOSE = {"delivery_id": DELIVERY_ID, "review_id": 34, "request_id": "a1b2", "job_id": "drain:1", "version": 7}
ANY_TEXT = st.text(st.characters())
MULTIPLE = st.sampled_from([1, 1, 30, 600, 9_000])
LONG_TEXT = st.builds(lambda text, times: (text * times)[:20_000], ANY_TEXT, MULTIPLE)
ANYTHING = st.recursive(
    JSON | LONG_TEXT | st.binary() | st.floats() | st.builds(object) | st.builds(ValueError, ANY_TEXT),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(ANY_TEXT, inner, max_size=3)
        | st.sets(st.integers())
        | st.tuples(inner)
    ),
    max_leaves=5,
)
FIELD_NAMES = st.text("abcdefghij_", min_size=1, max_size=20).filter(lambda name: name not in WHOSE)

Capture = Callable[..., list[bytes]]


def render(**event: Any) -> dict[str, Any]:
    """Render a line and read it back, as the log's reader would."""
    line = render_line(None, "info", {"level": "info", "timestamp": "2025-09-15T00:00:00Z", **event})
    assert len(line) <= MAX_LINE_BYTES
    assert b"\n" not in line
    read = json.loads(line.decode())
    assert isinstance(read, dict)
    return read


def whose(line: dict[str, Any]) -> dict[str, Any]:
    return {name: line.get(name) for name in WHOSE}


# One line


def test_a_line_starts_with_when_how_grave_and_what() -> None:
    event = stamp(None, "exception", {"rating": 3, "event": "x"})
    assert list(event) == ["timestamp", "level", "event", "rating"]
    assert event["level"] == "error"


def test_an_ordinary_line_is_whole() -> None:
    assert render(event="review.updated", **WHOSE, old={"rating": 3}, new={"rating": 4}) == {
        "timestamp": "2025-09-15T00:00:00Z",
        "level": "info",
        "event": "review.updated",
        **WHOSE,
        "old": {"rating": 3},
        "new": {"rating": 4},
    }


def test_the_most_bytes_of_a_line_are_those_of_the_contract() -> None:
    assert MAX_LINE_BYTES == 8_000


def test_a_line_of_exactly_the_most_bytes_is_whole_and_one_more_is_cut() -> None:
    room = MAX_LINE_BYTES - len(render_line(None, "", {"event": "x", "rest": ""}))
    assert json.loads(render_line(None, "", {"event": "x", "rest": "a" * room})) == {"event": "x", "rest": "a" * room}
    cut = json.loads(render_line(None, "", {"event": "x", "rest": "a" * (room + 1)}))
    assert cut["truncated"] is True
    assert cut["rest"] == "a" * 500 + "…"


@pytest.mark.parametrize("filler", ["a", "é", "€", "😀", "\x00", '"', "\\", "\n", "\u2028", "\ud800"])
@pytest.mark.parametrize("times", [500, 4_000, 20_000])
def test_a_long_text_of_any_kind_is_cut_and_whose_line_it_is_stays(filler: str, times: int) -> None:
    line = render(
        event="review.updated", **WHOSE, one=filler * times, two=[filler * times], three={"x": filler * times}
    )
    assert whose(line) == WHOSE


@pytest.mark.parametrize("filler", ["a", "é", "😀", "\x00", "\ud800"])
def test_a_long_message_is_cut_and_whose_line_it_is_stays(filler: str) -> None:
    assert whose(render(event=filler * 20_000, **WHOSE)) == WHOSE


def test_very_many_values_are_dropped_before_whose_line_it_is() -> None:
    line = render(event="x", **WHOSE, **{f"value_{number}": "a" * 400 for number in range(100)})
    assert whose(line) == WHOSE
    assert line["event"] == "x"
    assert line["truncated"] is True


def test_of_a_long_traceback_the_end_is_kept() -> None:
    line = render(event="x", exception="first" + "." * 20_000 + "ValueError: the reason")
    assert line["exception"].startswith("…")
    assert line["exception"].endswith("ValueError: the reason")


@pytest.mark.parametrize(
    "field",
    ["\ud800", "a\udcffb", ["\ud800"], {"\ud800": 1}, {"a": {"b": "\udfff"}}],
    ids=["text", "escaped byte", "list", "name", "deep"],
)
def test_a_lone_surrogate_costs_nothing_but_itself(field: Any) -> None:
    line = render(event="request.refused", **WHOSE, odd=field, plain="é", count=3)

    assert line["event"] == "request.refused"
    assert line["level"] == "info"
    assert whose(line) == WHOSE
    assert "odd" in line


@settings(deadline=None, max_examples=80)
@given(st.dictionaries(FIELD_NAMES, ANYTHING, max_size=6))
def test_a_line_is_never_too_long_nor_broken_whatever_is_logged(values: dict[str, Any]) -> None:
    line = render(**({"event": "x"} | values | WHOSE))
    assert str(line["review_id"]) == "34"
    assert DELIVERY_ID in line["delivery_id"]


# The whole of logging


@pytest.fixture
def capture() -> Iterator[Capture]:
    """Configure logging onto a stream, and give the lines written to it so far."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
    levels = {name: logging.getLogger(name).level for name in ("", "arq", "asyncio")}

    def configured(**variables: str) -> list[bytes]:
        if variables:
            configure(make_settings(**variables), stream)
        stream.flush()
        return raw.getvalue().splitlines()

    yield configured
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def test_what_the_mirror_logs_is_one_json_object_a_line_with_what_is_bound(capture: Capture) -> None:
    capture(LOG_FORMAT="json")
    with structlog.contextvars.bound_contextvars(request_id="a1b2"):
        structlog.get_logger().info("review.updated", delivery_id=DELIVERY_ID, review_id=34)

    (line,) = map(json.loads, capture())
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert (line["level"], line["event"], line["request_id"]) == ("info", "review.updated", "a1b2")
    assert (line["delivery_id"], line["review_id"]) == (DELIVERY_ID, 34)
    assert line["timestamp"].endswith("Z")


def test_what_libraries_log_comes_out_in_the_same_shape(capture: Capture) -> None:
    capture(LOG_FORMAT="json")
    logging.getLogger("aiohttp.server").error("Error %s\nhandling", "\ud800")
    logging.getLogger("aiohttp.server").error("x" * 50_000)
    logging.getLogger("aiohttp.server").info("plain %d", 3)

    lines = capture()
    assert [len(line) <= MAX_LINE_BYTES for line in lines] == [True] * 3
    read = [json.loads(line) for line in lines]
    assert [line["level"] for line in read][1:] == ["error", "info"]
    assert read[2]["event"] == "plain 3"
    assert read[2]["logger"] == "aiohttp.server"


def fail_at_length() -> None:
    raise ValueError("the reason" + " and more" * 2_000)


def test_an_exception_is_one_line_with_its_traceback(capture: Capture) -> None:
    capture(LOG_FORMAT="json")
    try:
        fail_at_length()
    except ValueError:
        structlog.get_logger().exception("worker.failed", delivery_id=DELIVERY_ID)
        logging.getLogger("anything").exception("it failed")

    for line in capture():
        assert len(line) <= MAX_LINE_BYTES
        assert json.loads(line)["exception"].endswith("and more")
    assert json.loads(capture()[0])["delivery_id"] == DELIVERY_ID


@pytest.mark.parametrize(("level", "heard"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_level_counts_for_the_mirror_and_for_libraries(capture: Capture, level: str, heard: int) -> None:
    capture(LOG_FORMAT="json", LOG_LEVEL=level)
    for logger in (structlog.get_logger(), logging.getLogger("anything")):
        logger.debug("d")
        logger.info("i")
        logger.warning("w")
        logger.error("e")
    assert len(capture()) == 2 * heard


def test_arq_does_not_tell_of_every_job(capture: Capture) -> None:
    capture(LOG_FORMAT="json")
    logging.getLogger("arq.worker").info("job started")
    logging.getLogger("arq.worker").warning("job failed")
    assert [json.loads(line)["event"] for line in capture()] == ["job failed"]


def test_on_a_console_a_line_is_for_people(capture: Capture) -> None:
    capture(LOG_FORMAT="console")
    structlog.get_logger().info("review.updated", review_id=34)
    (line,) = capture()
    assert b"review.updated" in line
    assert b"review_id" in line
    assert not line.startswith(b"{")


MISLEADING = "a\nb\x1b[31m\x85\u2028\u2029\u202e\x9b"


@pytest.mark.parametrize("log_format", ["console", "json"])
@pytest.mark.parametrize("value", [MISLEADING, [MISLEADING], {MISLEADING: 1}], ids=["text", "list", "name"])
def test_a_line_is_one_line_for_every_reader(capture: Capture, log_format: str, value: Any) -> None:
    capture(LOG_FORMAT=log_format)
    structlog.get_logger().info(MISLEADING, value=value)
    logging.getLogger("aiohttp.server").warning("told: %s", MISLEADING)
    shown = b"\n".join(capture()).decode()
    assert len(shown.splitlines()) == 2
    assert not set("\x1b\x85\u2028\u2029\u202e\x9b") & set(shown)


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_text_in_any_language_is_logged_as_it_is(capture: Capture, log_format: str) -> None:
    capture(LOG_FORMAT=log_format)
    text = "Très bien\u00a0! 👨\u200d👩\u200d👧"
    structlog.get_logger().info(text, value=text, values=[text])
    assert b"".join(capture()).decode().count(text) == 3


def test_a_console_that_cannot_show_a_character_gets_another() -> None:
    raw = io.BytesIO()
    configure(make_settings(LOG_FORMAT="console"), io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    structlog.get_logger().info("a → b", value="café")
    logging.getLogger("anything").warning("c → d")
    assert raw.getvalue().count(b"->") == 2


def fail_with(reason: str) -> None:
    raise ValueError(reason)


def test_a_traceback_on_a_console_obeys_nothing_that_its_error_says(capture: Capture) -> None:
    capture(LOG_FORMAT="console")
    try:
        fail_with("\x1b[31m\x85")
    except ValueError:
        structlog.get_logger().exception("worker.failed")
    shown = b"\n".join(capture())
    assert b"\\u001b[31m\\u0085" in shown
    assert b"\x1b" not in shown


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_traceback_shows_no_local_variables(capture: Capture, log_format: str) -> None:
    capture(LOG_FORMAT=log_format)
    token = "hunter" + "2"
    try:
        int("no number")
    except ValueError:
        structlog.get_logger().exception("worker.failed")
    shown = b"\n".join(capture())
    assert b"Traceback" in shown
    assert token.encode() not in shown


def test_where_no_format_is_chosen_what_is_no_terminal_gets_json(capture: Capture) -> None:
    capture(LOG_LEVEL="info")
    structlog.get_logger().info("x")
    assert json.loads(capture()[0])["event"] == "x"


# Names and texts

PERSONAL = [name for name in KNOWN_FIELDS if name not in PUBLIC_FIELDS]
SECRET = "Zorglub"


@pytest.mark.parametrize("name", [*PERSONAL, "a_field_of_the_future", "", "Rating", "author"])
@pytest.mark.parametrize("value", [SECRET, [SECRET], {"content": SECRET}, {SECRET: 1}, [[{"a": [SECRET]}]]])
def test_a_personal_value_is_shown_only_when_asked_for(name: str, value: Any) -> None:
    for pair in ((None, value), (value, None), (value, value)):
        hidden = loggable({name: pair}, with_text=False)
        assert SECRET not in repr(hidden)
        shown = loggable({name: pair}, with_text=True)
        assert shown == ({name: pair[0]}, {name: pair[1]})


def test_which_fields_are_public_is_a_closed_list() -> None:
    assert sorted(PERSONAL) == sorted(
        ["author_name", "comments", "content", "key", "link", "media_links", "org_id", "partner_id", "title"]
    )


@pytest.mark.parametrize("name", sorted(PUBLIC_FIELDS))
def test_what_is_not_personal_is_always_shown(name: str) -> None:
    for with_text in (False, True):
        assert loggable({name: ("before", 4)}, with_text=with_text) == ({name: "before"}, {name: 4})


def test_a_hidden_text_is_shown_as_its_length_and_a_short_hash_that_tells_equal_from_different() -> None:
    old, new = loggable({"content": ("Magasin ❤️", "Magasin ❤"), "title": ("Magasin ❤️", None)}, with_text=False)
    assert old["content"]["length"] == 10
    assert new["content"]["length"] == 9
    assert old["content"] == old["title"]
    assert old["content"]["hash"] != new["content"]["hash"]
    assert len(old["content"]["hash"]) == 8
    assert new["title"] is None


@pytest.mark.parametrize("name", ["content", "tags", "state"])
@pytest.mark.parametrize("with_text", [False, True])
def test_what_would_make_a_line_too_long_is_cut_even_when_it_may_be_shown(name: str, *, with_text: bool) -> None:
    fits, long = "x" * (MAX_LOGGED_BYTES - 2), "x" * (MAX_LOGGED_BYTES - 1)
    old, new = loggable({name: (fits, long)}, with_text=with_text)
    assert (old[name] == fits) == with_text
    assert new[name]["length"] == len(long)


def test_what_is_too_long_for_a_date_or_a_state_is_taken_for_a_text() -> None:
    fits, long = "x" * MAX_PUBLIC_CHARS, "x" * (MAX_PUBLIC_CHARS + 1)
    old, new = loggable({"date": (fits, long)}, with_text=False)
    assert old["date"] == fits
    assert new["date"]["length"] == len(long)


@settings(deadline=None, max_examples=100)
@given(ARBITRARY_REVIEWS, ARBITRARY_REVIEWS, st.booleans())
def test_any_change_can_be_logged_with_or_without_texts(before: Any, after: Any, with_text: bool) -> None:  # noqa: FBT001
    fields = difference(before, after).fields
    old, new = loggable(fields, with_text=with_text)
    assert set(old) == set(new) == set(fields)
    render(event="review.updated", **WHOSE, old=old, new=new, changed=sorted(fields))


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(PERSONAL), st.text(min_size=9), JSON)
def test_no_name_and_no_text_ever_stands_in_a_line_unless_asked_for(name: str, text: str, other: Any) -> None:
    fields = {name: (make_review()["content"], text), "rating": (3, 4), "unknown": (text, other)}
    old, new = loggable(fields, with_text=False)
    line = msgspec.json.encode([old, new]).decode()
    assert msgspec.json.encode(text).decode()[1:-1] not in line
    assert "vieillot" not in line
    assert (old["rating"], new["rating"]) == (3, 4)


class _Gone(io.BytesIO):
    """A log whose reader has left."""

    def write(self, _data: object, /) -> int:
        raise BrokenPipeError(32, "Broken pipe")


async def test_a_log_that_cannot_be_written_is_told_of_once_and_costs_nothing_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    writer = LineWriter(_Gone())
    stray: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: stray.append(context))
    for _ in range(3):
        writer.msg(b"a line")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert stray == []
    told = "reviewmirror: the log cannot be written, and lines are lost: [Errno 32] Broken pipe\n"
    assert capsys.readouterr().err == told
