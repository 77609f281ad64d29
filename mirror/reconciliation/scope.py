"""Which reviews are compared: all, those of some businesses, those changed since a moment. Performs no I/O."""

import hashlib

import msgspec

from mirror.domain.clocks import filter_clock
from mirror.domain.record import Record
from mirror.domain.review import text_field
from mirror.partoo.api import api_time


class Scope(msgspec.Struct, frozen=True):
    """`since` is in microseconds since 1970 UTC; no businesses and no `since`: everything."""

    businesses: tuple[str, ...] = ()
    since: int | None = None

    @property
    def filters(self) -> dict[str, str]:
        """The scope in the parameters of Partoo's search."""
        filters = {"business__in": ",".join(self.businesses)} if self.businesses else {}
        if self.since is not None:
            filters["update_date__gte"] = api_time(self.since)
        return filters

    @property
    def name(self) -> str:
        """What tells one scope from another; an interrupted run is only gone on with in its own."""
        if not self.filters:
            return "all"
        return hashlib.blake2b(msgspec.json.encode(self), digest_size=8).hexdigest()

    def covers(self, record: Record) -> bool:
        """Tell whether a search of this scope would have to show the review as it is mirrored."""
        if self.businesses and text_field(record.review, "business_id") not in self.businesses:
            return False
        moment = filter_clock(record.review)
        return self.since is None or (moment is not None and moment >= self.since)


EVERYTHING = Scope()
