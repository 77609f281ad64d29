"""Who is told how a reconciliation goes."""

from typing import Protocol

from mirror.partoo.errors import ApiError
from mirror.reconciliation.judging import Verdict


class Narrator(Protocol):
    def resumes(self, search: str, page: int) -> None:
        """Hear that an interrupted run is gone on with."""

    def lists(self, search: str, count: int, pages: int) -> None:
        """Hear how much a listing holds, before the rest of it is read."""

    def reads(self, page: int, pages: int) -> None:
        """Hear that a page has been read."""

    def asks_again(self, reviews: int, businesses: int) -> None:
        """Hear how many reviews the listings did not show, of how many businesses."""

    def fails(self, error: ApiError) -> None:
        """Hear of a failure after which Partoo is asked again."""

    def cannot_read(self, page: int, items: int) -> None:
        """Hear, once a run, of a page that holds items that cannot be read."""

    def finds(self, verdict: Verdict) -> None:
        """Hear of a review that is not the same, or could not be compared."""
