"""The mirror's record of one review, and a delivery that may change it. Performs no I/O."""

from typing import Any

import msgspec

from mirror.domain.changes import Moment, Source
from mirror.domain.lifecycle import Status

# What a stored record looks like; a worker leaves alone what a newer release has written.
SCHEMA_VERSION = 1


class CorruptError(ValueError):
    """What is stored of a review is not what the mirror stores; `problem` says in what way, without quoting values."""

    def __init__(self, review_id: int, problem: str) -> None:
        super().__init__(f"what Redis holds of review {review_id} cannot be read: {problem}")
        self.review_id = review_id
        self.problem = problem


class Delivery(msgspec.Struct, frozen=True):
    """One accepted report about a review. `received_at` is in milliseconds since 1970 UTC."""

    delivery_id: str
    received_at: int
    review: dict[str, Any]
    source: Source = Source.WEBHOOK
    # When the same bytes were first offered, if they were without being acknowledged.
    offered_at: int | None = None


class Windows(msgspec.Struct, frozen=True):
    """The lengths of time, in milliseconds, that decisions depend on.

    How close together two deliveries must be for their order to be in doubt (`redelivery`, `reorder`), and how long an
    absence must last for the review to be gone (`grace`).
    """

    redelivery: int = 3_600_000
    reorder: int = 90_000
    grace: int = 7 * 86_400_000


class Record(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Everything the mirror knows of a review. Times are milliseconds since 1970 UTC.

    `review` is the payload now mirrored, whole. While it is a deletion, `last_live` keeps the last live snapshot
    (None when the review was never seen live). `version` counts the changes.
    """

    # Not the current one by default, so that it is always stored: a later release must know what it reads. A record
    # without it was written by the first release; see `mirror.storage.decoding`.
    schema: int = 0
    id: int
    status: Status
    version: int
    review: dict[str, Any]
    first_seen_at: Moment
    last_changed_at: Moment
    last_received_at: Moment
    last_live: dict[str, Any] | None = None
    missing_since: Moment | None = None
    reappearances: int = 0
    ambiguous: bool = False
    # When the review was erased on demand; what is left then is this tombstone, whose review holds nothing but its id.
    forgotten_at: Moment | None = None
    # What the reducer needs to tell a late copy from news:
    # when the live snapshot was last accepted, in any copy;
    live_received_at: int = 0
    # when the delivery that made the last change was first offered, if that was before it was accepted;
    last_offered_at: int = 0
    # the delete_dates that absences had, as canonical JSON, the newest last;
    delete_dates: tuple[str, ...] = ()
    # fingerprints of the states left since the live snapshot's clock last rose, the newest last.
    left: tuple[str, ...] = ()

    @property
    def live_snapshot(self) -> dict[str, Any] | None:
        """The review as it was last seen live, which is the current payload of a live review."""
        return self.review if self.status is Status.LIVE else self.last_live
