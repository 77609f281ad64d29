"""Verification: Partoo is asked about the reviews of which a delivery could not tell whether it was news.

The questions of one business are asked together. An answer goes through the review's inbox like every other news, as
an entry of its own; the commit that applies it also closes the question.
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Sequence

import structlog

from mirror.domain.absences import scope
from mirror.domain.changes import Source
from mirror.domain.reading import encode_reading, may_be_omitted
from mirror.domain.record import CorruptError, Record
from mirror.domain.wire import UndecodableError, decode_review
from mirror.partoo.api import PartooApi
from mirror.partoo.errors import ApiError, ApiRefusedError, ApiUnavailableError, RateLimitedError
from mirror.partoo.search import Answer, find
from mirror.storage import counters, inbox, reads, verification
from mirror.storage.store import Store
from mirror.storage.verification import Question

# One run asks for this long at the most; what is left is asked by the next.
MAX_RUN_S = 60.0
# And about one business for this long: one run and this must end before arq ends the job.
MAX_ASK_S = 45.0
# How long to wait after a failure before asking again: twice as long after each further one.
FIRST_RETRY_MS = 10_000
LAST_RETRY_MS = 3_600_000
# A key that is refused is tried again all the same: permissions are granted.
REFUSED_RETRY_MS = 600_000
# A listing that shifts while it is read is read again at once, but not more often than this in a row.
MAX_SHIFTED = 5

log = structlog.get_logger()


class Verifier:
    """Asks for one process. `delay`: how long a question waits before it is asked, in milliseconds."""

    def __init__(self, store: Store, api: PartooApi, delay: int) -> None:
        self._store = store
        self.api = api
        self.delay = delay
        self._planned_until = 0.0
        # While Partoo refuses the key, no question is asked until then (monotonic, in seconds).
        self._refused_until = 0.0
        self._stopping = False

    def stop(self) -> None:
        """Ask the run under way to end before its next business."""
        self._stopping = True

    async def plan(self) -> None:
        """Have a job ask when the questions just committed are due: one for all that come within the delay.

        Raises StorageUnavailableError; should no job come of it, the periodic one asks.
        """
        now = time.monotonic()
        if now >= self._planned_until:
            self._planned_until = now + self.delay / 1000
            await self._store.enqueue("verify", after_ms=self.delay)

    async def run(self) -> None:
        """Ask what is due. Raises StorageUnavailableError; what was claimed is due again after its lease."""
        if time.monotonic() < self._refused_until:
            return
        deadline, goes_on, unreadable = time.monotonic() + MAX_RUN_S, True, 0
        questions = await verification.claim(self._store, await self._store.now())
        for business_id, group in (await self._by_business(questions)).items():
            if goes_on and not self._stopping and time.monotonic() < deadline:
                answer = await self._ask(business_id, group)
                goes_on = answer is not None
                unreadable += 0 if answer is None else answer.unreadable
            else:
                await self._put_off([question for question, _ in group], await self._store.now(), failed=False)
        if unreadable:
            log.warning("verification.unreadable_items", items=unreadable)
        if goes_on:
            await self._plan_next()

    async def _plan_next(self) -> None:
        """Have a job ask what was put while this one was planned: gathered for a delay again, not each by itself."""
        due = await verification.next_due(self._store)
        if due is not None and due <= await self._store.now() + self.delay and not self._stopping:
            await self.plan()

    async def _by_business(self, questions: Sequence[Question]) -> dict[str, list[tuple[Question, Record]]]:
        groups: dict[str, list[tuple[Question, Record]]] = defaultdict(list)
        records = await reads.records(self._store, [question.review_id for question in questions])
        for question, record in zip(questions, records, strict=True):
            if isinstance(record, CorruptError):
                log.error("record.corrupt", review_id=record.review_id, reason=record.problem)
                await self._put_off([question], await self._store.now() + _retry_ms(question.failures), failed=True)
            elif record is None or record.forgotten_at is not None:
                await verification.release(self._store, question, None)
            else:
                groups[scope(record)[1]].append((question, record))
        return groups

    async def _ask(self, business_id: str, group: Sequence[tuple[Question, Record]]) -> Answer | None:
        """Ask about one business; None: no other business is to be asked in this run either."""
        asked_before, started, asked_at = self.api.requests, time.monotonic(), await self._store.now()
        facts = {"business_id": business_id, "reviews": len(group)}
        questions = [question for question, _ in group]
        try:
            answer = await self._find([record for _, record in group])
        except ApiError as error:
            await self._failed(questions, error, facts)
            no_use = isinstance(error, RateLimitedError) or _refuses_key(error)
            return None if no_use else Answer({}, held_still=False)
        finally:
            await counters.add(self._store, {"verification:requests": self.api.requests - asked_before})
        self._refused_until = 0.0
        log.info(
            "verification.asked",
            **facts,
            found=len(answer.found),
            requests=self.api.requests - asked_before,
            ms=round((time.monotonic() - started) * 1000),
        )
        unreadable = await self._deliver(answer)
        await self._put_off(
            [question for question in questions if question.review_id in unreadable],
            await self._store.now() + LAST_RETRY_MS,
            failed=True,
        )
        for question, record in group:
            if question.review_id not in answer.found:
                await self._settle_omitted(answer, question, record, asked_at)
        return answer

    async def _find(self, records: Sequence[Record]) -> Answer:
        """Ask about reviews of one business, for MAX_ASK_S at the most: a long listing must not keep others waiting."""
        try:
            async with asyncio.timeout(MAX_ASK_S):
                return await find(self.api, records)
        except TimeoutError:
            raise ApiUnavailableError(f"the listing of the business took longer than {MAX_ASK_S:g} s") from None

    async def _deliver(self, answer: Answer) -> set[int]:
        """Put answers into the inboxes of their reviews; gives the reviews whose answer a worker could not read."""
        now = await self._store.now()
        entries = []
        unreadable = set()
        for review_id, found in answer.found.items():
            body = encode_reading(found.review, found.observed_at)
            try:
                decode_review(body)
            except UndecodableError as error:
                log.warning("verification.unreadable", review_id=review_id, code=error.code, reason=str(error))
                unreadable.add(review_id)
                continue
            entries.append((review_id, inbox.make_entry(now, Source.VERIFICATION, body)))
        await inbox.put(self._store, entries, "verification:answered")
        for review_id, entry in entries:
            log.info("verification.answered", review_id=review_id, delivery_id=entry.delivery_id)
        return unreadable

    async def _settle_omitted(self, answer: Answer, question: Question, record: Record, asked_at: int) -> None:
        """Leave as it is what both searches omit; ask again where that says nothing about it."""
        if not answer.held_still:
            # At once at first; should it go on, as after any other failure.
            wait_ms = 0 if question.failures < MAX_SHIFTED else _retry_ms(question.failures)
            log.warning("verification.listing_shifted", review_id=question.review_id)
        elif answer.unreadable or may_be_omitted(record, asked_at):
            wait_ms = _retry_ms(question.failures)
            log.info("verification.not_shown_yet", review_id=question.review_id, retry_in_s=round(wait_ms / 1000, 1))
        else:
            log.warning("verification.omitted", review_id=question.review_id)
            await counters.add(self._store, {"verification:omitted": 1})
            await verification.release(self._store, question, None)
            return
        await self._put_off([question], await self._store.now() + wait_ms, failed=True)

    async def _failed(self, questions: Sequence[Question], error: ApiError, facts: dict[str, object]) -> None:
        # Those that have failed equally often stay together.
        waits = {failures: _wait_ms(error, failures) for failures in {question.failures for question in questions}}
        # A refused key is told of once, until Partoo takes it again.
        if not (_refuses_key(error) and self._refused_until):
            level = log.error if isinstance(error, ApiRefusedError) else log.warning
            level("verification.failed", **facts, error=str(error), retry_in_s=round(min(waits.values()) / 1000, 1))
        if _refuses_key(error):
            self._refused_until = time.monotonic() + REFUSED_RETRY_MS / 1000
        await counters.add(self._store, {"verification:failed": 1})
        now = await self._store.now()
        for question in questions:
            await self._put_off([question], now + waits[question.failures], failed=True)

    async def _put_off(self, questions: Sequence[Question], until: int, *, failed: bool) -> None:
        for question in questions:
            await verification.release(self._store, question, until, failed=failed)


def _refuses_key(error: ApiError) -> bool:
    return isinstance(error, ApiRefusedError) and error.refuses_key


def _wait_ms(error: ApiError, failures: int) -> int:
    """Tell when to ask again after an error: not before Partoo wants to be asked."""
    if _refuses_key(error):
        return REFUSED_RETRY_MS
    retry_after_s = error.retry_after_s if isinstance(error, RateLimitedError) else 0
    return max(_retry_ms(failures), round(retry_after_s * 1000))


def _retry_ms(failures: int) -> int:
    spread = random.uniform(0.75, 1.25)  # noqa: S311 - spreads retries, hides nothing
    return round(min(FIRST_RETRY_MS * 2.0 ** min(failures, 20), LAST_RETRY_MS) * spread)
