"""What an answer means: for its event, which is done, sent again or parked, and for the endpoint, which may be ill."""

import random
from enum import Enum, auto

import structlog

from mirror.domain.outgoing import DISABLE_AFTER_MS, PARK_AFTER_MS, Answer, Item, retry_delay

# So many failures in a row, none of them about an event, and only one event is tried until one succeeds.
SUSPEND_AFTER = 10
# An endpoint that fails now and then is told of at most so often.
TELL_AGAIN_AFTER_MS = 60_000

log = structlog.get_logger()


class Verdict(Enum):
    DELIVERED = auto()
    AGAIN = auto()
    PARK = auto()
    DISABLE = auto()


class Patience:
    """Judges the answers of one endpoint. Times are in ms since 1970 UTC.

    `failing_since`: since when nothing has succeeded, 0 if the last attempt did; `changed`: the last answer changed
    that. `recovered`: the last answer ended a suspension. `resume_at`: nothing is sent before.
    """

    def __init__(self, endpoint_id: str) -> None:
        self._endpoint = endpoint_id
        self.failing_since = 0
        self.changed = False
        self.recovered = False
        self.resume_at = 0
        self._failures_in_a_row = 0
        self._succeeded_at = 0
        self._told_at = 0
        self._told = False

    def most(self, usual: int, now: int) -> int:
        """Tell how many events may be on their way at once."""
        if now < self.resume_at:
            return 0
        return 1 if self._failures_in_a_row >= SUSPEND_AFTER else usual

    def judge(self, item: Item, answer: Answer, now: int) -> tuple[Verdict, str]:
        """Judge an answer; returns a reason where the endpoint is to be disabled."""
        before = self.failing_since
        self.recovered = answer.succeeded and self._failures_in_a_row >= SUSPEND_AFTER
        self.failing_since = 0 if answer.succeeded else before or answer.at
        self.changed = self.failing_since != before
        if answer.succeeded:
            self._succeeded(before, answer)
            return Verdict.DELIVERED, ""
        item.failures += 1
        item.last_status = answer.status
        self._tell_failing(answer)
        if answer.ends_it_all:
            return Verdict.DISABLE, "the receiver answered 410"
        if now - self.failing_since >= DISABLE_AFTER_MS:
            return Verdict.DISABLE, f"nothing has succeeded for {DISABLE_AFTER_MS // 86_400_000} days"
        if answer.refused:
            item.refused_since = item.refused_since or answer.at
            if now - item.refused_since >= PARK_AFTER_MS and self._succeeded_at > item.refused_since:
                log.error("endpoint.parked", endpoint=self._endpoint, event_id=item.event_id, **_words(answer))
                return Verdict.PARK, ""
        else:
            self._suspend_if_ill(now)
        self._again(item, answer, now)
        return Verdict.AGAIN, ""

    def _succeeded(self, failing_since: int, answer: Answer) -> None:
        self._failures_in_a_row = self.resume_at = 0
        self._succeeded_at = answer.at
        if failing_since and self._told:
            log.info("endpoint.recovered", endpoint=self._endpoint, failing_since=failing_since)
            self._told = False

    def _tell_failing(self, answer: Answer) -> None:
        if self._told or answer.at - self._told_at < TELL_AGAIN_AFTER_MS:
            return
        self._told, self._told_at = True, answer.at
        log.warning("endpoint.failing", endpoint=self._endpoint, event_id=answer.event, **_words(answer))

    def _suspend_if_ill(self, now: int) -> None:
        self._failures_in_a_row += 1
        if (beyond := self._failures_in_a_row - SUSPEND_AFTER) >= 0:
            # The endpoint itself is ill: no event is to use up its attempts.
            self.resume_at = now + retry_delay(beyond + 1, random.random())  # noqa: S311 - spreads retries

    def _again(self, item: Item, answer: Answer, now: int) -> None:
        delay = retry_delay(item.failures, random.random())  # noqa: S311 - spreads retries, hides nothing
        if answer.asks_to_wait:
            delay = max(delay, answer.retry_after)
            self.resume_at = max(self.resume_at, now + answer.retry_after)
        item.next_at = now + delay


def _words(answer: Answer) -> dict[str, object]:
    return {"status": answer.status} if answer.status else {"error": answer.error}
