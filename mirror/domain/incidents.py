"""Incidents: many reviews that vanish within a short time are one failure somewhere, not many deletions. No I/O.

An incident is of one business or of one partner, and opens with the absence that crosses the thresholds. While it is
open, no review in it becomes gone, and what vanishes within a window of the last in it joins. It closes when most are
back, or, as it must end some day, two grace periods after it opened. Those still missing then get a whole grace period
from its close.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from mirror.domain.durations import quantiles

# An incident is over once this share of its reviews is not missing any more.
BACK_SHARE = 0.8
# Or at this many grace periods after it opened.
LONGEST_GRACES = 2
BACK = "back:"


class Thresholds(msgspec.Struct, frozen=True):
    """How many absences make an incident.

    At least `reviews` that began within `window` ms, and at least `share` (0 to 1) of the reviews that the business or
    the partner had live before.
    """

    window: int = 3_600_000
    reviews: int = 20
    share: float = 0.01


DEFAULT_THRESHOLDS = Thresholds()


class CloseReason(StrEnum):
    RETURNS = "returns"
    TIME = "time"


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One incident. Times are milliseconds since 1970 UTC.

    `missing` counts the reviews that it still holds, or held when it closed; `back` is the histogram of how long those
    that returned were missing.
    """

    scope: str
    opened_at: int
    first_vanished_at: int
    last_vanished_at: int
    absences: int
    returned: int
    missing: int
    back: Mapping[int, int]
    closed_at: int | None = None
    closed_by: CloseReason | None = None

    @property
    def of(self) -> dict[str, str]:
        """What vanished here: `{"business_id": …}` or `{"partner": …}`."""
        kind, _, name = self.scope.partition(":")
        return {"business_id" if kind == "business" else kind: name}

    @property
    def returned_after_s(self) -> dict[str, float | None]:
        return quantiles(self.back)


def business_scope(business_id: str) -> str:
    return f"business:{business_id}"


def partner_scope(partner: str) -> str:
    return f"partner:{partner}"


def reason_to_close(incident: Incident, now: int, grace: int) -> CloseReason | None:
    """Tell whether an open incident is over at `now`, given the grace period in milliseconds."""
    # In whole numbers: 20 % of 25 must be 5.
    if incident.missing * 100 <= incident.absences * round((1 - BACK_SHARE) * 100):
        return CloseReason.RETURNS
    if now - incident.opened_at >= LONGEST_GRACES * grace:
        return CloseReason.TIME
    return None
