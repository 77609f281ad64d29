"""The sender: signed deliveries over HTTP, each review's one after the other, each sent until it is acknowledged.

As Partoo documents it: 200 acknowledges; a 5xx, and here a connection that fails, is sent again with exponential
backoff; any other status loses the delivery at once. Partoo stops after five repetitions; this sender does not, so that
each delivery can be checked, and counts what Partoo would have given up.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from http import HTTPStatus

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from tools.chaos.lives import Delivery, life
from tools.simulator.keys import Signer

# The first pause before a delivery is sent again, and the longest; in a short run the latter.
BACKOFF_S = (0.25, 4.0)
HURRIED_BACKOFF_S = (0.05, 0.4)
TIMEOUT_S = 20.0
PARTOO_ATTEMPTS = 6
# A delivery that is not acknowledged for this long fails the run.
PATIENCE_S = 180.0


class Work(msgspec.Struct, frozen=True):
    """What to send: `deliveries` in all, about `reviews` reviews, drawn from `seed`."""

    seed: int
    deliveries: int
    reviews: int
    hurried: bool

    def length(self, review_id: int) -> int:
        """Tell how many deliveries a review's life has."""
        return self.deliveries // self.reviews + (review_id < self.deliveries % self.reviews)


class Acknowledged(msgspec.Struct, frozen=True):
    """A delivery that was answered 200: what was sent, and what the answer said of it."""

    sent: Delivery
    status: str
    delivery_id: str


class _Answer(msgspec.Struct):
    status: str
    delivery_id: str


class Sender:
    """Sends the lives of `reviews` reviews to web processes in turn; `answers` counts what came of each attempt."""

    def __init__(self, signer: Signer, urls: Sequence[str], work: Work) -> None:
        self._signer = signer
        self._urls = itertools.cycle(urls)
        self.work = work
        self._backoff_s = HURRIED_BACKOFF_S if work.hurried else BACKOFF_S
        self.done = 0
        self.acknowledged: dict[int, list[Acknowledged]] = {}
        self.answers: Counter[str] = Counter()
        self.lost: list[str] = []
        self.without_retry_after = 0
        self.failed_attempts = 0
        self.beyond_partoo = 0
        self.longest_s = 0.0

    async def run(self, at_a_time: int) -> None:
        """Send everything; returns once each delivery is acknowledged or lost."""
        places = asyncio.Semaphore(at_a_time)
        connector = TCPConnector(limit=0, keepalive_timeout=30)
        timeout = ClientTimeout(total=TIMEOUT_S)
        async with ClientSession(connector=connector, timeout=timeout) as session, asyncio.TaskGroup() as group:
            for review_id in range(self.work.reviews):
                group.create_task(self._send_life(session, places, review_id))

    async def _send_life(self, session: ClientSession, places: asyncio.Semaphore, review_id: int) -> None:
        answered = self.acknowledged.setdefault(review_id, [])
        for delivery in life(self.work.seed, review_id, self.work.length(review_id)):
            answer = await self._send(session, places, delivery)
            self.done += 1
            if answer is not None:
                answered.append(Acknowledged(delivery, answer.status, answer.delivery_id))

    async def _send(self, session: ClientSession, places: asyncio.Semaphore, delivery: Delivery) -> _Answer | None:
        first, last = self._backoff_s
        started = time.monotonic()
        for attempt in itertools.count(1):
            async with places:
                outcome = await self._post(session, delivery.body)
            if isinstance(outcome, _Answer):
                self.longest_s = max(self.longest_s, time.monotonic() - started)
                self.beyond_partoo += attempt > PARTOO_ATTEMPTS
                return outcome
            self.failed_attempts += 1
            if not outcome or time.monotonic() - started > PATIENCE_S:
                self.lost.append(f"after {attempt} attempts: {delivery.body[:200]!r}")
                return None
            await asyncio.sleep(min(first * 2.0 ** (attempt - 1), last))
        return None

    async def _post(self, session: ClientSession, body: bytes) -> _Answer | bool:
        """Give the answer of a 200; else whether Partoo would send the delivery again."""
        headers = {"X-Partoo-Signature-v1": self._signer.sign(body), "Content-Type": "application/json"}
        try:
            async with session.post(f"{next(self._urls)}/webhooks/partoo", data=body, headers=headers) as answer:
                text = await answer.read()
                self.answers[str(answer.status)] += 1
                if answer.status == HTTPStatus.OK:
                    return msgspec.json.decode(text, type=_Answer)
                if answer.status == HTTPStatus.SERVICE_UNAVAILABLE and "Retry-After" not in answer.headers:
                    self.without_retry_after += 1
                return answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        except (ClientError, OSError, TimeoutError):
            self.answers["no answer"] += 1
            return True


async def told(sender: Sender, tell: Callable[[int], None]) -> None:
    """Tell how far the sender is, until cancelled."""
    while True:
        tell(sender.done)
        await asyncio.sleep(0.2)
