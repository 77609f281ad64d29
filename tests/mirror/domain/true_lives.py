"""True lives of a review, and the deliveries that tell of them: late, repeated, reordered, with clocks lost.

What the generator leaves out, as no delivery can show a sign of it:
- a usable clock that runs backwards in the life itself: a newer clock is the proof that news gives;
- a copy that arrives more than LATE_WINDOW after it was first sent, unless it is known when that was;
- an event of which no delivery ever arrives.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from mirror.domain.record import DEFAULT_WINDOWS

Review = dict[str, Any]

MINUTE = 60_000
HOUR = 60 * MINUTE
BORN = 1_760_000_000_000


@dataclass(frozen=True)
class Step:
    """What happens to the review so many milliseconds after what happened before, and how Partoo writes it."""

    gap: int
    kind: str
    value: int
    clock: str
    deletion_clock: str
    copies: tuple[tuple[int, bool], ...]  # the delay of each in milliseconds, and whether its first attempt is known


@dataclass(frozen=True)
class Copy:
    review: Review
    received_at: int
    first_attempt_at: int | None


def written(at: int, how: str) -> Any:
    """Write a moment as one of many clocks: usable ones of several precisions, and unusable ones."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    match how:
        case "fine":
            return moment.isoformat(timespec="microseconds")
        case "elsewhere":
            return (moment + timedelta(hours=9)).isoformat(timespec="milliseconds").replace("+00:00", "+09:00")
        case "seconds" | "minutes" | "hours":
            return moment.isoformat(timespec=how)
        case "day":
            return moment.date().isoformat()
        case _:
            return UNUSABLE[how]


UNUSABLE: dict[str, Any] = {
    "missing": ...,
    "null": None,
    "unreadable": "2025-10-12 at noon",
    "future": "2099-01-01T00:00:00Z",
    "before its birth": "2019-01-01T00:00:00Z",
}
GOOD = ["fine", "elsewhere", "seconds", "minutes", "hours", "day"]


def life(steps: list[Step]) -> list[tuple[int, Review, Step]]:
    """Live through the steps: the moments, and what Partoo would show of the review from each on."""
    at, edited_at = BORN, BORN
    rating, tag, clock, deletion_clock, deleted_at = 3, 0, steps[0].clock, "missing", 0
    shown = True
    states = []
    for number, step in enumerate(steps):
        at += step.gap if number else 0
        if step.kind == "vanish" and shown:
            shown, deleted_at, deletion_clock = False, at, step.deletion_clock
        elif step.kind in {"vanish", "return"}:
            shown = True
        elif step.kind == "tag":
            tag = step.value
        else:
            shown, rating, edited_at, clock = True, step.value, at, step.clock
        fields = {
            "id": 34,
            "state": "treated" if shown else "deleted",
            "date": written(BORN, "fine"),
            "update_date": written(edited_at, clock),
            "delete_date": ... if shown else written(deleted_at, deletion_clock),
            "rating": rating,
            "tags": tag,
        }
        states.append((at, {name: value for name, value in fields.items() if value is not ...}, step))
    return states


def deliveries(states: list[tuple[int, Review, Step]]) -> list[Copy]:
    copies = [
        Copy(review, at + delay, at if known else None) for at, review, step in states for delay, known in step.copies
    ]
    return sorted(copies, key=lambda copy: copy.received_at)


DELAYS = st.sampled_from([0, 0, 1, 1_000, 2 * MINUTE, 50 * MINUTE, 3 * HOUR, DEFAULT_WINDOWS.late - 1])
COPIES = st.lists(st.tuples(DELAYS, st.sampled_from([False, False, True])), min_size=1, max_size=3).map(tuple)
CLOCKS = st.sampled_from(["fine", "fine", *GOOD, *UNUSABLE])
STEPS: st.SearchStrategy[Step] = st.builds(
    Step,
    gap=st.sampled_from([1_000, 30_000, 10 * MINUTE, 2 * HOUR, 11 * HOUR, DEFAULT_WINDOWS.late, 72 * HOUR]),
    kind=st.sampled_from(["edit", "edit", "tag", "vanish", "return"]),
    value=st.integers(0, 2),
    clock=CLOCKS,
    deletion_clock=CLOCKS,
    copies=COPIES,
)
LIVES = st.lists(STEPS, min_size=1, max_size=9)
