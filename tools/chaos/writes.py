"""Redis's own log of writes, read: what was accepted, in which order, and what was committed in which step.

Performs no I/O.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from mirror.domain.inbox import Entry
from mirror.storage import keys
from mirror.storage.failed_attempts import digest
from mirror.storage.inbox_entries import decode_entry

Command = Sequence[bytes]


class Writes(msgspec.Struct):
    """What stands in the log.

    `accepted`: by review, the entries of its inbox in the order in which they came, since the beginning. `batches`: how
    many of them each commit applied; the entries carry when they were offered before, where the worker knew it.
    `commits`: how often a record or a history was written. `split`: the reviews of those that did not take anything out
    of the inbox in the same step.
    """

    accepted: dict[int, list[Entry]]
    batches: dict[int, list[int]]
    commits: int
    split: list[int]


def read_writes(commands: Iterable[Command]) -> Writes:
    reader = _Reader()
    for step in _steps(commands):
        reader.read(step)
    return reader.writes


class _Reader:
    def __init__(self) -> None:
        self.writes = Writes(defaultdict(list), defaultdict(list), 0, [])
        self._applied: dict[int, int] = defaultdict(int)
        self._offered: dict[bytes, int] = {}

    def read(self, step: Sequence[Command]) -> None:
        """Read what was executed in one step."""
        changed: set[int] = set()
        taken: dict[int, int] = defaultdict(int)
        met: list[bytes] = []
        for name, key, *arguments in step:
            review_id, part = _key_of_review(key)
            if part == keys.INBOX_SUFFIX:
                self._read_inbox(name, review_id, arguments, taken)
            elif part == keys.DELIVERIES_SUFFIX and name == b"LSET":
                self._read_kept(review_id, decode_entry(arguments[1]))
            elif part in (keys.RECORD_SUFFIX, keys.CHANGES_SUFFIX):
                changed.add(review_id)
            elif name == b"SET" and key.startswith(OFFERED):
                self._offered[key] = int(arguments[0])
            elif name == b"DEL":
                met += [key, *arguments]
        # What a worker knew of, its commit has used up: marks set since it asked are there still.
        used_up = {key: self._offered.pop(key) for key in met if key in self._offered}
        for review_id, count in taken.items():
            self._apply(review_id, count, used_up)
        self.writes.commits += len(changed)
        self.writes.split += changed - taken.keys()

    def _read_inbox(self, name: bytes, review_id: int, arguments: Sequence[bytes], taken: dict[int, int]) -> None:
        accepted = self.writes.accepted[review_id]
        if name == b"RPUSH":
            accepted += [decode_entry(data) for data in arguments]
        elif name == b"LTRIM":
            taken[review_id] += int(arguments[0])
        elif name == b"LMOVE":
            taken[review_id] += 1
        elif name == b"RENAME":
            taken[review_id] += len(accepted) - self._applied[review_id]

    def _read_kept(self, review_id: int, kept: Entry) -> None:
        """Take over what the worker knew of a delivery when it decided on it."""
        accepted = self.writes.accepted[review_id]
        place = next(place for place, entry in enumerate(accepted) if entry.delivery_id == kept.delivery_id)
        accepted[place] = kept

    def _apply(self, review_id: int, count: int, used_up: Mapping[bytes, int]) -> None:
        accepted, first = self.writes.accepted[review_id], self._applied[review_id]
        for place in range(first, first + count):
            first_attempt_at = used_up.get(OFFERED + digest(accepted[place].body).encode())
            if first_attempt_at is not None:
                accepted[place] = msgspec.structs.replace(accepted[place], first_attempt_at=first_attempt_at)
        self._applied[review_id] += count
        self.writes.batches[review_id].append(count)


OFFERED = keys.OFFERED_PREFIX.encode()


def _steps(commands: Iterable[Command]) -> Iterator[list[Command]]:
    """Give what was executed in one step each: a transaction or script, or a command by itself."""
    step: list[Command] | None = None
    for command in commands:
        name = command[0].upper()
        if name == b"MULTI":
            step = []
        elif name == b"EXEC":
            yield step or []
            step = None
        elif len(command) > 1:
            named = [name, *command[1:]]
            if step is None:
                yield [named]
            else:
                step.append(named)


def _key_of_review(key: bytes) -> tuple[int, str]:
    """Take the name of a key apart: of which review it is, and which part of it; "" where it is no review's."""
    text = key.decode(errors="replace")
    head, brace, tail = text.removeprefix(keys.REVIEW_PREFIX).partition("}")
    return (int(head), brace + tail) if text.startswith(keys.REVIEW_PREFIX) and head.isdigit() else (-1, "")
