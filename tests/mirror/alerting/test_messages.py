"""How a notice is written."""

import json

import pytest

from mirror.alerting.messages import body_of, event_of, is_slack, text_of
from mirror.domain.notices import Kind, Notice

NOTICE = Notice(
    id="silence-1-resolved", kind=Kind.RESOLVED, key="silence", at=90_000, since=0, what="it is quiet", lasted=90_000
)


@pytest.mark.parametrize(
    ("url", "given", "slack"),
    [
        ("https://hooks.slack.com/services/T/B/x", None, True),
        ("https://hooks.slack.com/services/T/B/x", "standard", False),
        ("https://example.com/hooks.slack.com", None, False),
        ("https://chat.example.com/hook", "slack", True),
    ],
)
def test_slacks_form_is_chosen_by_host_or_by_the_variable(url: str, given: str | None, *, slack: bool) -> None:
    assert is_slack(url, given) is slack


def test_a_notice_is_text_of_a_few_lines() -> None:
    assert text_of(NOTICE) == "reviewmirror: Over, after 1 min 30 s: it is quiet\nSince: 1970-01-01T00:00:00.000Z"
    assert json.loads(body_of(NOTICE, slack=True)) == {"text": text_of(NOTICE)}


def test_a_notice_is_an_event_like_those_of_the_feed() -> None:
    sent = json.loads(body_of(NOTICE, slack=False))
    assert (sent["id"], sent["type"], sent["subject"]) == (
        "silence-1-resolved",
        "reviewmirror.notice.resolved",
        "silence",
    )
    assert sent["data"] == {
        "key": "silence",
        "kind": "resolved",
        "what": "it is quiet",
        "since": "1970-01-01T00:00:00.000Z",
        "todo": None,
        "look": None,
        "lasted_s": 90.0,
        "text": text_of(NOTICE),
    }
    assert event_of(NOTICE).time == "1970-01-01T00:01:30.000Z"
