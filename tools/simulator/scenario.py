"""A scenario: what Partoo says and when, as the exact bytes of each event. Performs no I/O.

A scenario file is JSON: `{"title", "source", "steps": [step, …]}`. A step has a `name`, the date `at` which Partoo
says it, what it `says` (for people), and exactly one of

    "review":  {…}          the whole review
    "from":    "a step"     that step's review, with `set` {field: value} and `unset` [field, …]
    "repeat":  "a step"     that step's body once more, byte for byte
    "payload": {…}          the whole payload of an event that is not about a review

and may have a `type` (`review_updated` unless given) and `headers` {"X-…": "…"}.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tools.simulator.fields import Fields, decode_object
from tools.simulator.wire import encode_event

_SOURCES = ("review", "from", "repeat", "payload")
_STEP_FIELDS = ("name", "at", "says", "type", *_SOURCES, "set", "unset", "headers")


@dataclass(frozen=True, slots=True)
class Step:
    """One event: when Partoo says it, the bytes it sends, and the review in them (None: it is about none)."""

    name: str
    at: datetime
    says: str
    type: str
    body: bytes
    review: Mapping[str, Any] | None
    headers: Mapping[str, str]
    same_as: str | None
    """The earliest step with the very same bytes."""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True)
class Scenario:
    title: str
    source: str
    steps: tuple[Step, ...]


def parse_scenario(where: str, text: bytes) -> Scenario:
    """Build a scenario from a file's bytes; `where` names the file in messages.

    Raises ScenarioError, with the file, the step, what is wrong and what to do.
    """
    fields = decode_object(text, where)
    fields.allow(("title", "source", "steps"))
    raw_steps = fields.raw.get("steps")
    if not isinstance(raw_steps, list) or not raw_steps:
        fields.wrong('"steps" must be a list of at least one step')
    steps: dict[str, Step] = {}
    for number, raw in enumerate(raw_steps, start=1):
        step = _parse_step(Fields(raw, f"{where}: step {number}"), where, steps)
        steps[step.name] = step
    return Scenario(fields.text("title"), fields.text("source"), tuple(steps.values()))


def _parse_step(fields: Fields, where: str, earlier: Mapping[str, Step]) -> Step:
    name = fields.text("name")
    if name in earlier:
        fields.wrong(f'an earlier step is called "{name}" too; give each its own name')
    fields.where = f'{where}: step "{name}"'
    fields.allow(_STEP_FIELDS)
    at = fields.date("at")
    if any(at < step.at for step in earlier.values()):
        fields.wrong('"at" lies before the step in front of it; steps are sent in the order in which they stand')
    event_type, body, review = _parse_event(fields, earlier)
    return Step(
        name=name,
        at=at,
        says=fields.text("says"),
        type=event_type,
        body=body,
        review=review,
        headers=fields.headers("headers"),
        same_as=next((step.name for step in earlier.values() if step.body == body), None),
    )


def _parse_event(fields: Fields, earlier: Mapping[str, Step]) -> tuple[str, bytes, Mapping[str, Any] | None]:
    source = fields.choose(_SOURCES)
    if source != "from" and ("set" in fields.raw or "unset" in fields.raw):
        fields.wrong(f'"set" and "unset" go with "from"; with "{source}" there is nothing to change')
    if source == "repeat":
        if "type" in fields.raw:
            fields.wrong('"repeat" sends the same bytes, the type among them; leave "type" out')
        again = _earlier(fields, source, earlier)
        return again.type, again.body, again.review
    event_type = fields.text("type", "review_updated")
    review = None if source == "payload" else _parse_review(fields, source, earlier)
    payload = fields.object("payload") if review is None else {"review": review}
    try:
        return event_type, encode_event(event_type, payload), review
    except ValueError as error:
        fields.wrong(f"this cannot be sent as JSON in UTF-8 ({error}); correct that text")


def _parse_review(fields: Fields, source: str, earlier: Mapping[str, Step]) -> dict[str, Any]:
    if source == "review":
        return fields.object("review")
    base = _earlier(fields, source, earlier)
    if base.review is None:
        fields.wrong(f'"from" needs a step with a review, and "{base.name}" has none')
    review = {**base.review, **fields.object("set")}
    for name in fields.names("unset"):
        if name not in review:
            fields.wrong(f'"unset": the review has no field "{name}" to leave out')
        del review[name]
    return review


def _earlier(fields: Fields, source: str, earlier: Mapping[str, Step]) -> Step:
    name = fields.text(source)
    if name not in earlier:
        there = ", ".join(earlier) or "none"
        fields.wrong(f'"{source}" must name an earlier step, and "{name}" is none; earlier steps: {there}')
    return earlier[name]
