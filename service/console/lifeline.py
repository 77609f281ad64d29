"""A review's life as a drawing: when it was live, missing or gone, and its changes. Performs no I/O."""

from collections.abc import Sequence

import msgspec

from mirror.clock import iso, span
from mirror.domain.changes import Change, Kind
from mirror.domain.lifecycle import Status

WIDTH, HEIGHT = 960, 84
LEFT, RIGHT = 10, 950
# What a change makes of a review; the other kinds leave its status as it was.
_STATUS_AFTER = {Kind.VANISHED: Status.MISSING, Kind.REAPPEARED: Status.LIVE, Kind.GONE: Status.GONE}
_STATUS_BEFORE = {Kind.VANISHED: Status.LIVE, Kind.REAPPEARED: Status.MISSING, Kind.GONE: Status.MISSING}
# A period narrower than this could not be seen.
_LEAST_WIDTH = 2.0


class Period(msgspec.Struct, frozen=True):
    """For how long a review had a status; times are ms since 1970 UTC."""

    status: Status
    start: int
    end: int
    x: float = 0
    width: float = 0

    @property
    def words(self) -> str:
        return f"{self.status} for {span(self.end - self.start)} from {iso(self.start)[:16].replace('T', ' ')} UTC"


class Tick(msgspec.Struct, frozen=True):
    """One change in the drawing."""

    x: float
    version: int
    words: str


class Lifeline(msgspec.Struct, frozen=True):
    """What the template draws. `starts_late`: what came before is not part of the drawing."""

    periods: list[Period]
    ticks: list[Tick]
    start: int
    end: int
    starts_late: bool

    @property
    def summary(self) -> str:
        """Say in words what the drawing shows."""
        away = [period for period in self.periods if period.status is not Status.LIVE]
        if not away:
            return "Live all the time."
        total = span(sum(period.end - period.start for period in away))
        return f"Not live for {total} in all: " + "; ".join(period.words for period in away[:10])


def draw(changes: Sequence[Change], last_status: Status, end: int) -> Lifeline:
    """Draw changes, the oldest first, up to `end` (ms since 1970 UTC). `last_status`: that after the last of them."""
    start = changes[0].received_at
    length = max(1, end - start)

    def place(at: int) -> float:
        return round(LEFT + (RIGHT - LEFT) * min(max(0, at - start), length) / length, 1)

    periods: list[Period] = []
    status, since = _first_status(changes, last_status), start
    for change in changes[1:]:
        after = _STATUS_AFTER.get(change.kind, status)
        if after is not status:
            periods.append(_period(status, since, change.received_at, place(since), place(change.received_at)))
            status, since = after, change.received_at
    periods.append(_period(status, since, max(since, end), place(since), place(end)))
    ticks = [Tick(place(change.received_at), change.version, str(change.kind).replace("_", " ")) for change in changes]
    return Lifeline(periods, ticks, start, end, changes[0].version != 1)


def _first_status(changes: Sequence[Change], last_status: Status) -> Status:
    """Tell the status after the first of these changes: the next that moves it tells from where."""
    moves = (_STATUS_BEFORE[change.kind] for change in changes[1:] if change.kind in _STATUS_BEFORE)
    return next(moves, last_status)


def _period(status: Status, start: int, end: int, left: float, right: float) -> Period:
    return Period(status, start, max(start, end), left, max(_LEAST_WIDTH, round(right - left, 1)))
