import json
from datetime import datetime
from typing import Any

import pytest

from tools.simulator.errors import ScenarioError
from tools.simulator.scenario import Scenario, parse_scenario

REVIEW = {"id": 34, "rating": 4, "content": "Très bien ❤️", "comments": None}


def step(name: str = "first", at: str = "2025-08-20T10:00:00+02:00", **fields: Any) -> dict[str, Any]:
    return {"name": name, "at": at, "says": "Something happens.", **fields}


def first() -> dict[str, Any]:
    return step(review=REVIEW)


def step_from(base: str, name: str = "second", **fields: Any) -> dict[str, Any]:
    return step(name) | {"from": base} | fields


def parse(*steps: Any) -> Scenario:
    return parse_scenario("s.json", json.dumps({"title": "T", "source": "S", "steps": list(steps)}).encode())


def review_of(body: bytes) -> Any:
    return json.loads(body)["payload"]["review"]


def test_a_body_is_compact_utf_8_with_its_fields_in_the_files_order() -> None:
    scenario = parse(first())
    expected = (
        '{"type":"review_updated","payload":{"review":{"id":34,"rating":4,"content":"Très bien ❤️","comments":null}}}'
    )
    assert expected.encode() == scenario.steps[0].body


def test_a_step_keeps_its_type_date_and_headers() -> None:
    parsed = parse(step(type="review_created", review=REVIEW, headers={"X-Partoo-Webhook-Tryout": "1"})).steps[0]
    assert parsed.type == json.loads(parsed.body)["type"] == "review_created"
    assert datetime.fromisoformat("2025-08-20T10:00:00+02:00") == parsed.at
    assert parsed.headers == {"X-Partoo-Webhook-Tryout": "1"}


def test_from_overwrites_adds_and_leaves_out_fields_and_keeps_the_earlier_step_as_it_was() -> None:
    scenario = parse(first(), step_from("first", set={"rating": 3, "new": [1]}, unset=["comments"]))
    assert review_of(scenario.steps[1].body) == {"id": 34, "rating": 3, "content": "Très bien ❤️", "new": [1]}
    assert review_of(scenario.steps[0].body) == REVIEW


def test_a_repeat_is_byte_for_byte_the_same_and_names_what_it_repeats() -> None:
    scenario = parse(first(), step_from("first", set={"rating": 3}), step("third", repeat="first"))
    one, two, three = scenario.steps
    assert (one.same_as, two.same_as, three.same_as) == (None, None, "first")
    assert one.body == three.body
    assert one.sha256 == three.sha256 != two.sha256


def test_equal_bytes_are_noticed_even_when_no_step_says_repeat() -> None:
    assert parse(first(), step_from("first")).steps[1].same_as == "first"


def test_a_step_can_start_from_a_repeat() -> None:
    scenario = parse(first(), step("again", repeat="first"), step_from("again", set={"rating": 1}))
    assert review_of(scenario.steps[2].body)["rating"] == 1


def test_a_payload_is_sent_whole_and_holds_no_review() -> None:
    parsed = parse(step(type="business_updated", payload={"business": {"id": "5"}})).steps[0]
    assert parsed.body == b'{"type":"business_updated","payload":{"business":{"id":"5"}}}'
    assert parsed.review is None


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([], 's.json: "steps" must be a list of at least one step'),
        (["text"], "s.json: step 1: this must be a JSON object"),
        ([step("", review=REVIEW)], 's.json: step 1: "name" must be a text that is not empty'),
        ([first(), first()], 's.json: step 2: an earlier step is called "first" too; give each its own name'),
        ([step()], 's.json: step "first": needs exactly one of review, from, repeat, payload; found none'),
        ([step(review={}, repeat="x")], 'found "review" and "repeat"'),
        ([step(reveiw=REVIEW)], 'there is no field "reveiw" here; there are: name, at, says'),
        ([step(review=[])], '"review" must be a JSON object'),
        ([step(at="yesterday", review=REVIEW)], '"at" must be an ISO date-time with its offset'),
        ([step(at="2025-08-20T10:00:00", review=REVIEW)], '"at" must be an ISO date-time with its offset'),
        ([first(), step("second", at="2025-08-19T10:00:00Z", repeat="first")], '"at" lies before the step in front'),
        ([step(repeat="later")], '"repeat" must name an earlier step, and "later" is none; earlier steps: none'),
        ([first(), step("b", repeat="first", type="review_created")], 'the type among them; leave "type" out'),
        ([first(), step("b", repeat="first", set={})], '"set" and "unset" go with "from"'),
        ([first(), step_from("first", unset=["ratin"])], 'the review has no field "ratin"'),
        ([first(), step_from("first", unset="rating")], '"unset" must be a list of field names'),
        ([step(payload={}), step_from("first")], '"from" needs a step with a review, and "first" has none'),
        ([step(review=REVIEW, headers={"Host": "x"})], 'header "Host": its name must start with X-'),
        ([step(review=REVIEW, headers={"x-partoo-signature-V1": "x"})], "the signature is made when it is sent"),
        ([step(review=REVIEW, headers={"X-A": "x\r\ny"})], 'header "X-A": its value must be a text on one line'),
        ([step(review={"content": "\ud83d"})], "this cannot be sent as JSON in UTF-8"),
    ],
)
def test_a_wrong_step_is_refused_with_its_place_and_the_remedy(steps: list[Any], message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse(*steps)
    assert message in str(caught.value)
    assert str(caught.value).startswith("s.json: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "s.json: this is not JSON (Expecting value"),
        (b"[]", "s.json: this must be a JSON object"),
        (b"\xff", "s.json: this is not UTF-8 text (byte 0)"),
        (b'{"a": NaN}', "s.json: this is not JSON (NaN is no JSON value)"),
        (b'{"titel": "T"}', 's.json: there is no field "titel" here; there are: title, source, steps'),
        (b"[" * 200_000, "s.json: this is not JSON"),
    ],
)
def test_a_file_that_is_no_scenario_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario("s.json", text)
    assert message in str(caught.value)


def test_a_scenario_needs_a_title() -> None:
    with pytest.raises(ScenarioError, match='"title" must be a text'):
        parse_scenario("s.json", json.dumps({"source": "S", "steps": [first()]}).encode())
