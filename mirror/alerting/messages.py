"""How a notice is written: as a Standard Webhook, or as Slack's `{"text"}`. Performs no I/O."""

from urllib.parse import urlsplit

import msgspec

from mirror.clock import iso, span
from mirror.domain.notices import Kind, Notice
from mirror.events import TYPE_PREFIX, CloudEvent

SLACK_HOST = "hooks.slack.com"
_HEADS = {
    Kind.OPENED: "Problem",
    Kind.GROWN: "Still, and more of it",
    Kind.RESOLVED: "Over",
    Kind.SUMMARY: "Several",
    Kind.TEST: "Test",
}


def is_slack(url: str, given: str | None) -> bool:
    """Tell whether Slack's form is wanted: as `given`, or by the host of the URL."""
    return given == "slack" if given is not None else host(url) == SLACK_HOST


def host(url: str) -> str:
    """Name the host of a URL: what follows it may be secret."""
    return urlsplit(url).hostname or ""


def body_of(notice: Notice, *, slack: bool) -> bytes:
    """Write a notice."""
    return msgspec.json.encode({"text": text_of(notice)} if slack else event_of(notice))


def event_of(notice: Notice) -> CloudEvent:
    """Make a notice's event: an envelope like those of the feed."""
    data = {
        "key": notice.key,
        "kind": notice.kind,
        "what": notice.what,
        "since": iso(notice.since),
        "todo": notice.todo or None,
        "look": notice.look or None,
        "lasted_s": notice.lasted / 1000 if notice.kind is Kind.RESOLVED else None,
        "text": text_of(notice),
    }
    return CloudEvent(
        id=notice.id,
        source="/notices",
        type=f"{TYPE_PREFIX}notice.{notice.kind}",
        subject=notice.key,
        time=iso(notice.at),
        data=data,
    )


def text_of(notice: Notice) -> str:
    """Write a notice for people, in a few lines."""
    lasted = f", after {span(notice.lasted)}" if notice.kind is Kind.RESOLVED else ""
    lines = [f"reviewmirror: {_HEADS[notice.kind]}{lasted}: {notice.what}", f"Since: {iso(notice.since)}"]
    lines += [f"What to do: {notice.todo}"] if notice.todo else []
    lines += [f"Where to look: {notice.look}"] if notice.look else []
    return "\n".join(lines)
