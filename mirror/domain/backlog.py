"""The events of one endpoint that are not delivered yet: in order for each review, whatever fails. Performs no I/O."""

import heapq
from collections import deque
from collections.abc import Iterator

from mirror.domain.outgoing import Item

_VANISHED = "vanished"
_Heap = list[tuple[int, int, Item]]


class Backlog:
    """Of each subject one queue, of which only the first may be on its way. `held`: disappearances that wait."""

    def __init__(self) -> None:
        self._queues: dict[int | str, deque[Item]] = {}
        # What is due when. Of a held disappearance it must also be known whether the review is back.
        self._due: _Heap = []
        self._held: _Heap = []
        self._on_their_way: set[str] = set()
        self._number = 0
        self.size = 0
        self.held = 0

    def add(self, item: Item) -> None:
        """Put an event behind those of its review."""
        queue = self._queues.setdefault(item.subject, deque())
        queue.append(item)
        self._count(item, 1)
        if queue[0] is item:
            self._schedule(item)

    def erase(self, review_id: int) -> list[Item]:
        """Take out what is not on its way of a review that was erased, and return it."""
        queue = self._queues.get(review_id, deque())
        keep = 1 if queue and queue[0].position in self._on_their_way else 0
        return self._cut(review_id, queue, keep)

    def heal(self, review_id: int, back_at: int) -> list[Item] | None:
        """Take back a held disappearance, as the review was back before its time: at `back_at` (ms since 1970 UTC).

        Returns what need not be told any more: it, and all behind it, which belongs to the same absence. None where
        the disappearance was told, or is to be told.
        """
        queue = self._queues.get(review_id, deque())
        for place in reversed(range(len(queue))):
            item = queue[place]
            if item.kind == _VANISHED:
                untold = item.position not in self._on_their_way and not item.failures
                return self._cut(review_id, queue, place) if untold and back_at < item.held_until else None
        return None

    def _cut(self, subject: int | str, queue: "deque[Item]", keep: int) -> list[Item]:
        dropped = [queue.pop() for _ in range(len(queue) - keep)]
        for item in dropped:
            self._count(item, -1)
        if not queue:
            self._queues.pop(subject, None)
        return dropped

    def _count(self, item: Item, step: int) -> None:
        self.size += step
        self.held += step if item.held_until else 0

    def _schedule(self, item: Item) -> None:
        self._number += 1
        heap = self._held if item.held_until and not item.failures else self._due
        heapq.heappush(heap, (item.next_at, self._number, item))

    def take(self, now: int, *, all_known: bool = True) -> Item | None:
        """Take the next event that may be sent at `now` (ms); it is on its way until it is `done` or `failed`.

        `all_known`: everything that has happened was added, so a review whose disappearance is due is not back.
        """
        return self._take(self._due, now) or (self._take(self._held, now) if all_known else None)

    def _take(self, heap: _Heap, now: int) -> Item | None:
        while heap and heap[0][0] <= now:
            next_at, _, item = heapq.heappop(heap)
            queue = self._queues.get(item.subject)
            if queue and queue[0] is item and item.next_at == next_at and item.position not in self._on_their_way:
                self._on_their_way.add(item.position)
                return item
        return None

    def next_at(self) -> int | None:
        """Tell when the next event may be sent, None if none waits."""
        return min((heap[0][0] for heap in (self._due, self._held) if heap), default=None)

    def done(self, item: Item) -> None:
        """Take out what was delivered, or is given up, and let the next of its review go."""
        self._on_their_way.discard(item.position)
        queue = self._queues.get(item.subject)
        if not queue or queue[0] is not item:
            return
        queue.popleft()
        self._count(item, -1)
        if queue:
            self._schedule(queue[0])
        else:
            del self._queues[item.subject]

    def failed(self, item: Item) -> None:
        """Have an event sent again at its `next_at`."""
        self._on_their_way.discard(item.position)
        self._schedule(item)

    def hurry(self, now: int) -> None:
        """Let whatever waits because an attempt failed be sent now."""
        for queue in self._queues.values():
            if queue[0].failures and queue[0].next_at > now:
                queue[0].next_at = now
                self._schedule(queue[0])

    def __iter__(self) -> Iterator[Item]:
        for queue in self._queues.values():
            yield from queue
