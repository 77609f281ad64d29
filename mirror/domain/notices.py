"""Operator notices: what is wrong is told once, and once that it is over. Performs no I/O.

    condition    something that is so now, and that an operator should know of; `key` names it while it lasts
    opened       told once it has lasted for `patience`
    grown        told again, an hour after the last time at the earliest, where there is more of it
    resolved     told once it has been away for CALM_MS, so that what flickers is told once

What was told is remembered until it is resolved. Notices wait in the outbox until they are delivered.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

CALM_MS = 30_000
GROWN_AFTER_MS = 3_600_000
# So many notices are sent in so long; what is beyond is told in one, and so is what a full outbox cannot hold.
MOST_SENT = 10
SENT_WINDOW_MS = 600_000
OUTBOX_KEPT = 200
TITLES_IN_SUMMARY = 5
DOCS = "docs/operations.md"


class Kind(StrEnum):
    OPENED = "opened"
    GROWN = "grown"
    RESOLVED = "resolved"
    SUMMARY = "summary"
    TEST = "test"


class Condition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that is so now.

    `what` says it in a sentence, `todo` what to do, `look` where to read or what to run. `since` and `patience` are in
    ms (since 1970 UTC); without `since` it counts from when it was first seen. `size`: how much of it there is.
    """

    key: str
    what: str
    todo: str
    look: str
    since: int = 0
    patience: int = 0
    size: int = 0


class Known(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered of a condition. Times are ms since 1970 UTC; 0: not yet.

    `told_size` is the size that was told last; `away_since` is when it was first missed.
    """

    condition: Condition
    since: int
    told_at: int = 0
    told_size: int = 0
    away_since: int = 0


class Notice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is sent. `at`, `since` are ms since 1970 UTC, `lasted` is in ms; `count`: how many a summary stands for."""

    id: str
    kind: Kind
    key: str
    at: int
    since: int
    what: str
    todo: str = ""
    look: str = ""
    lasted: int = 0
    count: int = 1


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known, what waits to be sent, and when notices were sent in the last SENT_WINDOW_MS."""

    known: Mapping[str, Known] = {}
    outbox: Sequence[Notice] = ()
    sent: Sequence[int] = ()


def observe(state: State, conditions: Iterable[Condition], now: int, unknown: Iterable[str] = ()) -> State:
    """Take in what is so at `now`.

    Of conditions whose key begins with one of `unknown` nothing could be learned: they stay as they are.
    """
    current = {condition.key: condition for condition in conditions}
    known: dict[str, Known] = {}
    news: list[Notice] = []
    for key, condition in current.items():
        known[key], told = _lasts(state.known.get(key), condition, now)
        news += told
    for key, before in state.known.items():
        if key in current:
            continue
        if key.startswith(tuple(unknown)):
            known[key] = before
            continue
        away_since = before.away_since or now
        if before.told_at and now - away_since < CALM_MS:
            known[key] = msgspec.structs.replace(before, away_since=away_since)
        elif before.told_at:
            news.append(_resolved(before, away_since, now))
    return msgspec.structs.replace(state, known=known, outbox=_bounded([*state.outbox, *news]))


def _lasts(before: Known | None, condition: Condition, now: int) -> tuple[Known, list[Notice]]:
    since = condition.since or (before.since if before is not None else now)
    known = Known(condition=condition, since=since)
    if before is not None:
        known = msgspec.structs.replace(known, told_at=before.told_at, told_size=before.told_size)
    if not known.told_at:
        due, kind = now - since >= condition.patience, Kind.OPENED
    else:
        due = condition.size > known.told_size and now - known.told_at >= GROWN_AFTER_MS
        kind = Kind.GROWN
    if not due:
        return known, []
    told = msgspec.structs.replace(known, told_at=now, told_size=condition.size)
    return told, [_told(kind, condition, since, now)]


def _told(kind: Kind, condition: Condition, since: int, now: int) -> Notice:
    return Notice(
        id=f"{condition.key}-{now}-{kind}",
        kind=kind,
        key=condition.key,
        at=now,
        since=since,
        what=condition.what,
        todo=condition.todo,
        look=condition.look,
    )


def _resolved(before: Known, ended: int, now: int) -> Notice:
    return Notice(
        id=f"{before.condition.key}-{now}-{Kind.RESOLVED}",
        kind=Kind.RESOLVED,
        key=before.condition.key,
        at=now,
        since=before.since,
        what=before.condition.what,
        look=before.condition.look,
        lasted=max(0, ended - before.since),
    )


def _bounded(outbox: Sequence[Notice]) -> Sequence[Notice]:
    if len(outbox) <= OUTBOX_KEPT:
        return outbox
    over = len(outbox) - OUTBOX_KEPT + 1
    return [summary(outbox[:over]), *outbox[over:]]


def take(state: State, now: int) -> State:
    """Sum up what is more than may be sent now, so that what comes first in the outbox is the next to be sent."""
    room = max(0, MOST_SENT - len(_recent(state, now)))
    if not room or len(state.outbox) <= room:
        return state
    return msgspec.structs.replace(state, outbox=[*state.outbox[: room - 1], summary(state.outbox[room - 1 :])])


def next_to_send(state: State, now: int) -> Notice | None:
    """Return the notice to send at `now`; None where none waits, or enough were sent of late."""
    return state.outbox[0] if state.outbox and len(_recent(state, now)) < MOST_SENT else None


def sent(state: State, notice: Notice, now: int) -> State:
    """Take a notice out that was delivered."""
    return msgspec.structs.replace(state, outbox=_without(state, notice), sent=[*_recent(state, now), now])


def given_up(state: State, notice: Notice) -> State:
    """Take a notice out that cannot be delivered."""
    return msgspec.structs.replace(state, outbox=_without(state, notice))


def summary(notices: Sequence[Notice]) -> Notice:
    """Tell several notices in one."""
    count = sum(notice.count for notice in notices)
    shown = [notice.what for notice in notices[:TITLES_IN_SUMMARY]]
    more = [f"and {count - len(shown)} more"] if count > len(shown) else []
    return Notice(
        id=f"summary-{notices[0].id}",
        kind=Kind.SUMMARY,
        key="summary",
        at=notices[-1].at,
        since=notices[0].since,
        what="; ".join([f"{count} more notices", *shown, *more]),
        look=f"python -m mirror doctor; {DOCS}",
        count=count,
    )


def _recent(state: State, now: int) -> list[int]:
    return [at for at in state.sent if now - at < SENT_WINDOW_MS]


def _without(state: State, notice: Notice) -> list[Notice]:
    return [one for one in state.outbox if one.id != notice.id]
