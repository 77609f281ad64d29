"""The lifecycle of a mirrored review. Performs no I/O.

    live      Partoo shows the review.
    missing   Partoo reported it deleted. It may come back: Google loses reviews and gives them back days later
              (developers.partoo.co/api-reference/webhooks-events/review-updated).
    gone      Missing for longer than the grace period. It may still come back.

No status is terminal, and every pair of status and trigger stands in the table. docs/architecture.md shows the diagram
that `diagram()` makes from it.
"""

from enum import StrEnum


class Status(StrEnum):
    LIVE = "live"
    MISSING = "missing"
    GONE = "gone"


class Trigger(StrEnum):
    SHOWN = "shown"
    DELETED = "deleted"
    GRACE_OVER = "grace over"


FIRST_STATUS: dict[Trigger, Status] = {
    Trigger.SHOWN: Status.LIVE,
    Trigger.DELETED: Status.MISSING,
}

TRANSITIONS: dict[tuple[Status, Trigger], Status] = {
    (Status.LIVE, Trigger.SHOWN): Status.LIVE,
    (Status.LIVE, Trigger.DELETED): Status.MISSING,
    (Status.LIVE, Trigger.GRACE_OVER): Status.LIVE,
    (Status.MISSING, Trigger.SHOWN): Status.LIVE,
    (Status.MISSING, Trigger.DELETED): Status.MISSING,
    (Status.MISSING, Trigger.GRACE_OVER): Status.GONE,
    (Status.GONE, Trigger.SHOWN): Status.LIVE,
    (Status.GONE, Trigger.DELETED): Status.GONE,
    (Status.GONE, Trigger.GRACE_OVER): Status.GONE,
}


def diagram() -> str:
    """Draw the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2"]
    lines += [f"    [*] --> {status}: {trigger}" for trigger, status in FIRST_STATUS.items()]
    lines += [f"    {before} --> {after}: {trigger}" for (before, trigger), after in TRANSITIONS.items()]
    return "\n".join(lines)
