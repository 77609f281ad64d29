"""One review's story: what it is, when it was away, and each change with from what to what, and why."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
from aiohttp import web

from mirror.change_words import doubt, rule, source_words, what
from mirror.domain.changes import BEGINNINGS, Change, tag_difference
from mirror.domain.history import HistoryTrimmedError, Lookback, Rewind
from mirror.domain.lifecycle import Status
from mirror.domain.record import Record
from mirror.domain.review import text_field
from mirror.domain.wire import MAX_REVIEW_ID
from mirror.storage import dead_letters, histories, inbox, reads
from service.console.diff import ADDED, REMOVED, SAME, Piece, word_diff
from service.console.lifeline import draw
from service.console.rendering import shown, when
from service.console.visit import Page, PageError, Visit
from service.console.words import moment, whole_number

# Changes on one page, and in one drawing: each may weigh two payloads.
SHOWN = 20
DRAWN = 200
# Longer texts are not compared word by word.
_MOST_COMPARED = 20_000


class Field(msgspec.Struct, frozen=True):
    """One field that a change touched. `pieces`: the difference of two texts, word by word."""

    name: str
    before: Any
    after: Any
    was_there: bool
    is_there: bool
    pieces: list[Piece] | None = None


class Told(msgspec.Struct, frozen=True):
    """One change as the page tells it."""

    change: Change
    what: str
    doubt: str
    source: str
    rule: str
    fields: list[Field]
    tags: dict[str, list[Any]] | None
    first: Mapping[str, Any] | None


async def show_story(visit: Visit) -> Page | web.Response:
    review_id = whole_number(visit.request.match_info["id"], "The id of a review", 0)
    if review_id > MAX_REVIEW_ID:
        raise PageError(404, "No review has this id", f"Ids of reviews end at {MAX_REVIEW_ID}.")
    found = await histories.begin(visit.store, review_id)
    waiting = await inbox.waiting_for(visit.store, review_id)
    letters = await dead_letters.about(visit.store, review_id)
    values = {"id": review_id, "waiting": waiting, "letters": letters}
    if found is None:
        return Page("no_story.html", "Reviews", values | {"forgotten_at": None}, 404)
    record, _ = found
    if record.forgotten_at is not None:
        return Page("no_story.html", "Reviews", values | {"forgotten_at": record.forgotten_at}, 410)
    at = moment(visit.parameter("at"), "As it was at")
    before = whole_number(visit.parameter("before"), "before", 0) or None
    newest = await reads.changes_page(visit.store, review_id, before, DRAWN)
    if not newest:
        raise PageError(404, "There are no such changes", f"Review {review_id} has no changes before version {before}.")
    begins = newest[0].kind in BEGINNINGS
    first = await _first(visit, review_id) if begins else None
    end = visit.now if before is None else newest[-1].received_at
    then = await _as_of(visit, review_id, at)
    listed = newest[-SHOWN:]
    visit.log_read(1, review_id=review_id, at=visit.parameter("at") or None)
    told = record if then is None else then
    live = told.live_snapshot or told.review
    values |= {
        "record": told,
        "live": live,
        "at": at,
        "at_text": visit.parameter("at"),
        "business_id": text_field(live, "business_id"),
        "partner": text_field(live, "partner"),
        "payload": _payload(told),
        "lifeline": draw(newest, record.status if before is None else Status.LIVE, end),
        "told": [_tell(change, first) for change in reversed(listed)],
        "older": None if listed[0].version == newest[0].version and begins else listed[0].version,
        "before": before,
    }
    return Page("story.html", "Reviews", values)


async def _first(visit: Visit, review_id: int) -> Mapping[str, Any] | None:
    walked = await histories.walk(visit.store, review_id, Rewind)
    return None if walked is None else walked[1].payload


async def _as_of(visit: Visit, review_id: int, at: int | None) -> Record | None:
    """Find the review as it was; None where no time was asked for. Raises PageError where there was none yet."""
    if at is None:
        return None
    walked = await histories.walk(visit.store, review_id, partial(Lookback, moment=at))
    try:
        then = None if walked is None else walked[1].found()
    except HistoryTrimmedError as error:
        words = f"Of review {review_id} nothing older than {when(error.since)} is kept."
        raise PageError(404, "This is not kept any more", words) from None
    if then is None:
        words = f"At {when(at)} review {review_id} was not mirrored yet."
        raise PageError(404, "The review was not there yet", words)
    return then


def _payload(record: Record) -> dict[str, Any]:
    """Show a review's fields, those with something in them first."""
    payload = {**record.extra, **record.review}
    return dict(sorted(payload.items(), key=lambda pair: pair[1] is None or pair[1] == []))


def _tell(change: Change, first: Mapping[str, Any] | None) -> Told:
    fields = [] if change.kind in BEGINNINGS else [_field(change, name) for name in change.fields if name != "tags"]
    return Told(
        change=change,
        what=what(change),
        doubt=doubt(change),
        source=source_words(change),
        rule=rule(change),
        fields=fields,
        tags=None if change.kind in BEGINNINGS else tag_difference(change.fields),
        first=first if change.kind in BEGINNINGS else None,
    )


def _field(change: Change, name: str) -> Field:
    before, after = change.fields[name]
    pieces = None
    if isinstance(before, str) and isinstance(after, str) and len(before) + len(after) <= _MOST_COMPARED:
        pieces = word_diff(shown(before), shown(after))
        # Two texts that have next to nothing in common are read best one after the other.
        same, different = (
            sum(len(text) for kind, text in pieces if kind in kinds) for kinds in ((SAME,), (ADDED, REMOVED))
        )
        pieces = pieces if 4 * same >= different else None
    return Field(name, before, after, name not in change.added, name not in change.removed, pieces)
