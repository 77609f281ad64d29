"""Counts and tells what is found, and puts what differs into the inboxes of the reviews."""

import random
from collections.abc import Iterable, Sequence

import msgspec

from mirror.clock import now_ms
from mirror.domain.inbox import make_delivery_id
from mirror.domain.reading import encode_absence, encode_reading
from mirror.domain.record import CorruptError, Record
from mirror.partoo.api import Page
from mirror.partoo.search import review_id
from mirror.reconciliation.judging import ABSENT, SAME, UNREADABLE, Verdict, judge
from mirror.reconciliation.narrator import Narrator
from mirror.storage import inbox, reads
from mirror.storage.store import Store

COUNTER = "reconciliation:found"


class Ledger:
    """`counts` are the numbers of reviews by outcome, and are added to; `dry_run`: nothing goes into an inbox."""

    def __init__(self, store: Store, narrator: Narrator, counts: dict[str, int], *, dry_run: bool) -> None:
        self._store = store
        self._narrator = narrator
        self._counts = counts
        self._dry_run = dry_run

    async def compare(self, page: Page, ids: Iterable[int]) -> None:
        """Compare the reviews of a page that have these ids with their records, which are read now.

        Raises one of `connection.UNAVAILABLE`.
        """
        wanted = set(ids)
        shown = {review_id(review): review for review in page.reviews if review_id(review) in wanted}
        now = now_ms()
        verdicts = []
        for (one, review), record in zip(shown.items(), await reads.records(self._store, list(shown)), strict=True):
            if isinstance(record, CorruptError):
                reason = f"its record in Redis cannot be read: {record.problem}"
                verdicts.append(Verdict(one, UNREADABLE, reason=reason))
                continue
            try:
                body = encode_reading(review, page.observed_at)
            except (msgspec.EncodeError, RecursionError, UnicodeError) as error:
                verdicts.append(Verdict(one, UNREADABLE, reason=f"it cannot be written down: {error}"))
                continue
            verdicts.append(judge(record, one, body, _delivery_id(now), now))
        await self._enter(verdicts)

    async def enter_absences(self, records: Sequence[Record], observed_at: int) -> None:
        """Have reviews taken for deleted that Partoo did not show. Raises one of `connection.UNAVAILABLE`."""
        now = now_ms()
        bodies = [(record, encode_absence(record.review, observed_at)) for record in records]
        await self._enter([judge(record, record.id, body, _delivery_id(now), now) for record, body in bodies])

    def leave(self, ids: Iterable[int], reason: str) -> None:
        """Note reviews that Partoo did not show and that are left as they are."""
        for one in sorted(ids):
            self._note(Verdict(one, ABSENT, reason=reason))

    def count(self, outcome: str, number: int) -> None:
        """Add to a count, without telling."""
        if number:
            self._counts[outcome] = self._counts.get(outcome, 0) + number

    async def _enter(self, verdicts: Sequence[Verdict]) -> None:
        entries = [(verdict.review_id, verdict.entry) for verdict in verdicts if verdict.entry is not None]
        if not self._dry_run:
            await inbox.put(self._store, entries, COUNTER)
        for verdict in verdicts:
            self._note(verdict)

    def _note(self, verdict: Verdict) -> None:
        self.count(verdict.outcome, 1)
        if verdict.outcome != SAME:
            self._narrator.finds(verdict)


def _delivery_id(now: int) -> str:
    return make_delivery_id(now, random.getrandbits(48))
