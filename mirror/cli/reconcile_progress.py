"""Printing how a reconciliation goes: what differs to stdout, everything else to stderr."""

from mirror.cli.output import counted, write
from mirror.cli.progress import Progress
from mirror.clock import span
from mirror.partoo.errors import ApiError
from mirror.partoo.limiter import MINUTE_MS
from mirror.reconciliation.judging import OVERTAKEN, Verdict

# How many reviews a JSON document lists. Filling a mirror is all first sights.
MAX_KEPT = 10_000


class PrintedProgress:
    """`rate`: requests a minute. For JSON, what was found is kept, up to a bound; else it is printed at once."""

    def __init__(self, rate: int, *, as_json: bool) -> None:
        self._rate = rate
        self._as_json = as_json
        self.progress = Progress("page", counts=True)
        self.resumed = False
        self.kept: list[Verdict] = []
        self.left_out = 0

    def on_resume(self, search: str, page: int) -> None:
        self.resumed = True
        self.progress.say(f"Going on with the run that was interrupted: search {search}, page {page:,}")

    def on_listing(self, search: str, count: int, pages: int) -> None:
        time = span(round(pages * MINUTE_MS / self._rate))
        rate = f"at {counted(self._rate, 'request')} a minute at least {time}"
        self.progress.begin(f"Search {search}: {counted(count, 'review')} on {counted(pages, 'page')}; {rate}")

    def on_page(self, page: int, pages: int) -> None:
        self.progress.show(page, pages)

    def on_absences(self, reviews: int, businesses: int) -> None:
        self.progress.say(
            f"Not shown: {counted(reviews, 'mirrored review')}; asking again, business by business ({businesses:,})"
        )

    def on_retry(self, error: ApiError) -> None:
        self.progress.say(f"{error}; asking again")

    def on_unreadable_items(self, page: int, items: int) -> None:
        self.progress.say(
            f"Page {page:,} holds {counted(items, 'item')} that cannot be read; the others are compared. "
            "More such items are only counted"
        )

    def on_finding(self, verdict: Verdict) -> None:
        if not self._as_json:
            self.progress.clear()
            write(_line(verdict))
        elif len(self.kept) < MAX_KEPT:
            self.kept.append(verdict)
        else:
            self.left_out += 1


def _line(verdict: Verdict) -> str:
    parts = [f"review {verdict.review_id}", verdict.outcome]
    if verdict.fields:
        parts.append(", ".join(verdict.fields))
    if verdict.reason:
        changes = verdict.entry is not None and verdict.outcome != OVERTAKEN
        parts.append(f"({verdict.reason})" if changes else f"(left as it is: {verdict.reason})")
    return "  ".join(parts)
