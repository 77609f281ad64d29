"""The mirror's record of one review, and a delivery that may change it. Performs no I/O."""

from typing import Any

import msgspec

from mirror.domain.changes import Certainty, Moment, Source, certainty_of
from mirror.domain.clocks import Instant, Payload
from mirror.domain.lifecycle import Status

# What a stored record looks like; a worker leaves alone what a newer release has written.
SCHEMA_VERSION = 1

# What decoding raises: msgspec passes Python's own errors on for what is not UTF-8, and for what nests too deep.
UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


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
    # When the same bytes were first sent, if that attempt was not acknowledged.
    first_attempt_at: int | None = None
    # What had to be repaired before it could be read.
    repaired: tuple[str, ...] = ()


class Windows(msgspec.Struct, frozen=True):
    """The lengths of time, in milliseconds, that decisions depend on.

    How close together two deliveries must be for their order to be in doubt (`redelivery`, `reorder`), for how long
    after a newer state a late copy of an older one is possible (`late`), and how long an absence must last for the
    review to be gone (`grace`).
    """

    redelivery: int = 3_600_000
    reorder: int = 90_000
    grace: int = 7 * 86_400_000
    late: int = 86_400_000


DEFAULT_WINDOWS = Windows()


class PreviousState(msgspec.Struct, frozen=True, array_like=True):
    """A state that a review was in before: its fingerprint, and from when until when (ms since 1970 UTC).

    `clock` is the moment in its `age_field` (see `clocks.age_of`), None where that proves nothing.
    """

    fingerprint: str
    since: int
    until: int
    age_field: str = ""
    clock: Instant | None = None


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
    unproven: bool = False
    # When the review was erased on demand; what is left then is this tombstone, whose review holds nothing but its id.
    forgotten_at: Moment | None = None
    # What the rules need to tell a late copy from news. Times are of acceptance; 0 in records of earlier releases.
    # When a change made `review` what it is, and when one made the last live snapshot what it is:
    since: int = 0
    live_since: int = 0
    # when the live snapshot was last accepted, in any copy;
    live_received_at: int = 0
    # when the last delivery from Partoo was accepted, and when Partoo was asked for the last reading that was taken;
    delivered_at: int = 0
    observed_at: int = 0
    # since which reading (when Partoo was asked) its search, which may lag, has shown the state before the last change;
    denied_at: int = 0
    # when the delivery that made the last change was first sent, if that was before it was accepted;
    last_first_attempt_at: int = msgspec.field(default=0, name="last_offered_at")
    # the delete_dates that absences had, as canonical JSON, the newest last;
    delete_dates: tuple[str, ...] = ()
    # the states that the review was in before, and those that were kept out in doubt, the newest last;
    previous_states: tuple[PreviousState, ...] = ()
    # fingerprints of such states, in records of earlier releases.
    previous_fingerprints: tuple[str, ...] = msgspec.field(default=(), name="left")
    # Fields that only Partoo's API writes, and fields of `review` as the API wrote them last; see `api_fields`.
    extra: dict[str, Any] = {}
    read_fields: tuple[str, ...] = ()

    @property
    def certainty(self) -> Certainty:
        return certainty_of(ambiguous=self.ambiguous, unproven=self.unproven)

    @property
    def live_snapshot(self) -> dict[str, Any] | None:
        """The review as it was last seen live, which is the current payload of a live review."""
        return self.review if self.status is Status.LIVE else self.last_live

    @property
    def current(self) -> Payload:
        """The payload now mirrored, with the moment at which it was last known to be received."""
        live = self.status is Status.LIVE and self.live_received_at
        return Payload(self.review, self.live_received_at if live else self.since or self.last_received_at)

    @property
    def live(self) -> Payload | None:
        """The last live snapshot, with the moment at which it was last accepted."""
        snapshot = self.live_snapshot
        return None if snapshot is None else Payload(snapshot, self.live_received_at or self.last_received_at)
