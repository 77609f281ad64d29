"""The events of one endpoint that are not delivered yet: in order for each review, whatever fails. Performs no I/O."""

import heapq
from collections import deque
from collections.abc import Iterator

from mirror.domain.feed import FORGOTTEN, Position
from mirror.domain.outgoing import Item

_VANISHED, _REAPPEARED, _UPDATED = "vanished", "reappeared", "updated"


class Backlog:
    """Of each subject one queue, of which only the first may be on its way."""

    def __init__(self) -> None:
        self._queues: dict[int | str, deque[Item]] = {}
        self._due: list[tuple[int, int, Item]] = []
        self._on_their_way: set[str] = set()
        self._number = 0
        self.size = 0

    def add(self, item: Item, *, changed: bool = True) -> list[Item]:
        """Put an event behind those of its review; returns those, perhaps itself, that need not be told any more.

        `changed`: a reappearance is not as the review was before. Where nobody was told of the disappearance, that is
        an update.
        """
        queue = self._queues.setdefault(item.subject, deque())
        if item.kind == FORGOTTEN:
            dropped = [one for one in queue if one.position not in self._on_their_way]
            for one in dropped:
                queue.remove(one)
            self.size -= len(dropped)
            self._append(queue, item)
            return dropped
        if item.kind == _REAPPEARED and (place := self._held(queue, item)) is not None:
            dropped = [queue.pop() for _ in range(len(queue) - place)]
            self.size -= len(dropped)
            if changed:
                item.kind = _UPDATED
                self._append(queue, item)
                return dropped
            if not queue:
                del self._queues[item.subject]
            return [*dropped, item]
        self._append(queue, item)
        return []

    def _held(self, queue: "deque[Item]", back: Item) -> int | None:
        """Find a disappearance that nobody is to be told of, as the review is back before its time.

        Everything behind it belongs to the same absence.
        """
        back_at = Position.read(back.position).at
        for place in reversed(range(len(queue))):
            item = queue[place]
            if item.kind == _VANISHED:
                untold = item.position not in self._on_their_way and not item.failures
                return place if untold and back_at < item.next_at else None
        return None

    def _append(self, queue: "deque[Item]", item: Item) -> None:
        queue.append(item)
        self.size += 1
        if queue[0] is item:
            self._schedule(item)

    def _schedule(self, item: Item) -> None:
        self._number += 1
        heapq.heappush(self._due, (item.next_at, self._number, item))

    def take(self, now: int) -> Item | None:
        """Take the next event that may be sent at `now` (ms); it is on its way until it is `done` or `failed`."""
        while self._due and self._due[0][0] <= now:
            next_at, _, item = heapq.heappop(self._due)
            queue = self._queues.get(item.subject)
            if queue and queue[0] is item and item.next_at == next_at and item.position not in self._on_their_way:
                self._on_their_way.add(item.position)
                return item
        return None

    def next_at(self) -> int | None:
        """Tell when the next event may be sent, None if none waits."""
        return self._due[0][0] if self._due else None

    def done(self, item: Item) -> None:
        """Take out what was delivered, or is given up, and let the next of its review go."""
        self._on_their_way.discard(item.position)
        queue = self._queues.get(item.subject)
        if queue is None or item not in queue:
            return
        queue.remove(item)
        self.size -= 1
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
