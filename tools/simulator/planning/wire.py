"""The faults of the wire, and named sets of them. Performs no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Wire:
    """How events travel. Shares are of the events of reviews and lie between 0 and 1; times are simulated seconds.

    duplicates       received, but the acknowledgement is lost: the same bytes arrive again later
    late             the first attempts fail unreceived: the bytes arrive by a retry, perhaps after newer events
    lost             all attempts fail: the event never arrives
    reordered        on its way for up to half a minute: an event that follows soon overtakes it
    tryouts, other_events, unknown_fields    what is sent beside, see `extras`
    concurrency      how many deliveries may be under way at once
    side_by_side     also those of one review; otherwise each of its deliveries ends before its next one leaves
    backoff          the first wait before such a retry; each further one is twice as long, up to the fifth
    """

    duplicates: float = 0.0
    late: float = 0.0
    lost: float = 0.0
    reordered: float = 0.0
    tryouts: float = 0.0
    other_events: float = 0.0
    unknown_fields: float = 0.0
    concurrency: int = 1
    side_by_side: bool = False
    backoff: float = 4.0


PRESETS: Mapping[str, Wire] = MappingProxyType(
    {
        "clean": Wire(),
        "faulty": Wire(duplicates=0.02, late=0.03),
        "bad-day": Wire(duplicates=0.1, late=0.2),
        "hostile": Wire(
            duplicates=0.1,
            late=0.2,
            reordered=0.1,
            tryouts=0.03,
            other_events=0.05,
            unknown_fields=0.2,
            concurrency=16,
            side_by_side=True,
        ),
    }
)
"""clean: every event once, in order. faulty: an ordinary day. bad-day: a receiver in trouble. hostile: everything."""
