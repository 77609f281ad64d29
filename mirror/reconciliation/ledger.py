"""Counts and tells what is found, and puts what differs into the inboxes of the reviews."""

from collections.abc import Iterable, Sequence

import msgspec

from mirror.domain.changes import Source
from mirror.domain.inbox import Entry
from mirror.domain.reading import encode_absence, encode_reading
from mirror.domain.record import CorruptError, Record, Windows
from mirror.partoo.answers import Page
from mirror.reconciliation.judging import ABSENT, OVERTAKEN, SAME, UNREADABLE, Verdict, judge
from mirror.reconciliation.listening import ProgressListener
from mirror.storage import inbox, reads, verification
from mirror.storage.store import Store

COUNTER = "reconciliation:found"


class Ledger:
    """`counts` are the numbers of reviews by outcome, and are added to; `dry_run`: nothing goes into an inbox."""

    def __init__(
        self, store: Store, listener: ProgressListener, windows: Windows, counts: dict[str, int], *, dry_run: bool
    ) -> None:
        self._store = store
        self._listener = listener
        self._windows = windows
        self._counts = counts
        self._dry_run = dry_run
        self._warned = False

    async def compare(self, page: Page, ids: Iterable[int]) -> None:
        """Compare the reviews of a page that have these ids with their records, which are read now."""
        wanted = set(ids)
        shown = {review["id"]: review for review in page.reviews if review["id"] in wanted}
        records = await reads.records(self._store, list(shown))
        asked_about = await verification.asked_about(self._store, list(shown))
        verdicts = []
        now = await self._store.now()
        for (one, review), record in zip(shown.items(), records, strict=True):
            if isinstance(record, CorruptError):
                reason = f"its record in Redis cannot be read: {record.problem}"
                verdicts.append(Verdict(one, UNREADABLE, reason=reason))
                continue
            try:
                entry = _entry(encode_reading(review, page.observed_at), now)
            except (msgspec.EncodeError, RecursionError, UnicodeError) as error:
                verdicts.append(Verdict(one, UNREADABLE, reason=f"it cannot be written down: {error}"))
                continue
            verdicts.append(judge(record, one, entry, self._windows, asked_about=one in asked_about))
        await self._enter(verdicts)

    async def enter_absences(self, records: Sequence[Record], observed_at: int) -> None:
        """Have reviews taken for deleted that Partoo did not show."""
        verdicts, now = [], await self._store.now()
        for record in records:
            entry = _entry(encode_absence(record.review, observed_at), now)
            verdict = judge(record, record.id, entry, self._windows, asked_about=False)
            if verdict.outcome == OVERTAKEN:
                verdict = Verdict(record.id, ABSENT, reason=verdict.reason)
            verdicts.append(verdict)
        await self._enter(verdicts)

    def count_unreadable(self, page: Page) -> None:
        """Count the items of a page that cannot be read; only the first page that has any is told of."""
        if page.unreadable:
            self._count(UNREADABLE, page.unreadable)
            if not self._warned:
                self._warned = True
                self._listener.on_unreadable_items(page.page, page.unreadable)

    def leave(self, ids: Iterable[int], reason: str) -> None:
        """Note reviews that Partoo did not show and that are left as they are."""
        for one in sorted(ids):
            self._note(Verdict(one, ABSENT, reason=reason))

    def _count(self, outcome: str, number: int) -> None:
        self._counts[outcome] = self._counts.get(outcome, 0) + number

    async def _enter(self, verdicts: Sequence[Verdict]) -> None:
        entries = [(verdict.review_id, verdict.entry) for verdict in verdicts if verdict.entry is not None]
        if not self._dry_run:
            await inbox.put(self._store, entries, COUNTER)
        for verdict in verdicts:
            self._note(verdict)

    def _note(self, verdict: Verdict) -> None:
        self._count(verdict.outcome, 1)
        if verdict.outcome != SAME:
            self._listener.on_finding(verdict)


def _entry(body: bytes, now: int) -> Entry:
    return inbox.make_entry(now, Source.RECONCILIATION, body)
