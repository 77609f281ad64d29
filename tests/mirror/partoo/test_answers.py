"""One page of Partoo's API: read item by item, with bounded numbers, and the wait that a 429 asks for."""

import json
from typing import Any

import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from mirror.partoo.answers import DEFAULT_RETRY_AFTER_S, LONGEST_RETRY_AFTER_S, MAX_COUNT, check_status, decode_page
from mirror.partoo.errors import ApiRefusedError, ApiUnavailableError, RateLimitedError
from tests.support import make_review


def page_of(*items: str, **numbers: Any) -> bytes:
    """Write a page of reviews 1 and 2 with other items, given as JSON, between them."""
    good = [json.dumps(make_review(number)) for number in (1, 2)]
    head = {"page": 1, "max_page": 1, "count": 2 + len(items)} | numbers
    return f'{json.dumps(head)[:-1]}, "reviews": [{", ".join([good[0], *items, good[1]])}]}}'.encode()


@pytest.mark.parametrize(
    "item",
    [
        "null",
        "7",
        "[]",
        "{}",
        '{"rating": 4}',
        '{"id": null}',
        '{"id": "34"}',
        '{"id": true}',
        '{"id": 34.0}',
        '{"id": -1}',
        '{"id": 9223372036854775808}',
        '{"id": 34, "rating": NaN}',
        '{"id": 34, "rating": 1e999}',
        '{"id": 34, "rating": -Infinity}',
        '{"id": 34, "content": "\\ud83d"}',
        '{"id": 34, "comments": {"content": "\\udc00 alone"}}',
    ],
)
def test_an_item_that_cannot_be_read_costs_only_itself(item: str) -> None:
    page = decode_page(page_of(item), 1, observed_at=5)
    assert (page.ids, page.unreadable, page.items, page.observed_at) == ([1, 2], 1, 3, 5)
    assert page.reviews[0] == make_review(1)


def test_bytes_that_are_no_utf_8_cost_only_the_item_that_they_stand_in() -> None:
    body = page_of('{"id": 34, "content": "Tr?s bien"}').replace(b"Tr?s", b"Tr\xe8s")
    assert (decode_page(body, 1, 0).ids, decode_page(body, 1, 0).unreadable) == ([1, 2], 1)


def test_a_byte_order_mark_costs_nothing() -> None:
    page = decode_page(b"\xef\xbb\xbf" + page_of(), 1, 0)
    assert (page.ids, page.unreadable) == ([1, 2], 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Bad gateway</body></html>",
        b"[]",
        b"null",
        b'"page"',
        page_of()[:-9],
        b'{"page": 1, "max_page": 1, "count": 1}',
        b'{"page": 1, "max_page": 1, "count": 1, "reviews": {}}',
        b'{"page": 1, "max_page": 1, "count": 1, "reviews": null}',
        page_of(count="3"),
        page_of(count=-1),
        page_of(count=MAX_COUNT + 1),
        page_of(count=MAX_COUNT, max_page=10**12),
        page_of(max_page=3),
        page_of(max_page=None),
        b"[" * 100_000,
        b'{"reviews": ' + b"[" * 100_000,
    ],
)
def test_what_is_no_page_of_reviews_is_no_answer(body: bytes) -> None:
    with pytest.raises(ApiUnavailableError, match="Partoo's answer"):
        decode_page(body, 1, 0)


class _Response:
    """The part of an answer that its status is read from."""

    def __init__(self, status: int, **headers: str) -> None:
        self.status = status
        self.url = URL("https://api.partoo.co/v2/reviews")
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        self.headers = CIMultiDictProxy(CIMultiDict(names))


def check(status: int, **headers: str) -> None:
    check_status(_Response(status, **headers))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("30", 30.0),
        ("0", 0.0),
        ("Sat, 13 Sep 2025 10:00:45 GMT", 45.0),
        ("Saturday, 13-Sep-25 10:00:45 GMT", 45.0),
        ("Sat Sep 13 10:00:45 2025", 45.0),
        ("Sat, 13 Sep 2025 09:00:00 GMT", 0.0),
        ("Sat, 13 Sep 2031 10:00:00 GMT", LONGEST_RETRY_AFTER_S),
        ("86400", LONGEST_RETRY_AFTER_S),
        ("9" * 400, LONGEST_RETRY_AFTER_S),
        ("", DEFAULT_RETRY_AFTER_S),
        ("-5", DEFAULT_RETRY_AFTER_S),
        ("soon", DEFAULT_RETRY_AFTER_S),
        ("Sat, 99 Sep 99999 10:00:00 GMT", DEFAULT_RETRY_AFTER_S),
    ],
)
def test_a_429_is_waited_out_for_as_long_as_it_says_within_bounds(retry_after: str, seconds: float) -> None:
    with pytest.raises(RateLimitedError) as raised:
        check(429, Retry_After=retry_after, Date="Sat, 13 Sep 2025 10:00:00 GMT")
    assert raised.value.retry_after_s == seconds


def test_a_date_without_a_date_of_the_answer_is_measured_by_our_clock() -> None:
    with pytest.raises(RateLimitedError) as raised:
        check(429, Retry_After="Thu, 01 Jan 2015 00:00:00 GMT")
    assert raised.value.retry_after_s == 0.0


@pytest.mark.parametrize(
    ("status", "refuses_key"), [(401, True), (403, True), (404, False), (400, False), (302, False)]
)
def test_a_refusal_tells_whether_it_is_of_the_key(status: int, *, refuses_key: bool) -> None:
    with pytest.raises(ApiRefusedError, match=str(status)) as raised:
        check(status)
    assert raised.value.refuses_key is refuses_key


@pytest.mark.parametrize("status", [204, 408, 425, 500, 502, 503, 504])
def test_what_may_pass_is_asked_again(status: int) -> None:
    with pytest.raises(ApiUnavailableError, match=str(status)):
        check(status)
