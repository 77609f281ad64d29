"""What a reconciliation reports while it runs: the command line prints it, the worker logs it."""

from typing import Protocol

from mirror.partoo.errors import ApiError
from mirror.reconciliation.judging import Verdict


class ProgressListener(Protocol):
    def on_resume(self, search: str, page: int) -> None:
        """Report that an interrupted run is resumed."""

    def on_listing(self, search: str, count: int, pages: int) -> None:
        """Report the size of a listing before the rest of it is read."""

    def on_page(self, page: int, pages: int) -> None:
        """Report that a page has been read."""

    def on_absences(self, reviews: int, businesses: int) -> None:
        """Report how many reviews the listings did not show, and of how many businesses."""

    def on_retry(self, error: ApiError) -> None:
        """Report an error after which Partoo is asked again."""

    def on_unreadable_items(self, page: int, items: int) -> None:
        """Report, once a run, the first page that holds items that cannot be read."""

    def on_finding(self, verdict: Verdict) -> None:
        """Report a review that differs, or could not be compared."""
