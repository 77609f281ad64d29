"""What a run has found: the verdicts of the audit, of the sender and of the processes, with the numbers beside them."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from mirror.settings import load
from tools.chaos import audit, logs
from tools.chaos.audit import MOST_SHOWN, Evidence, Verdict
from tools.chaos.kept import Kept
from tools.chaos.sending import Sender
from tools.chaos.slots import Slot
from tools.chaos.tables import Comparison

EXPECTED = {"200", "503", "no answer"}


class Run(msgspec.Struct):
    """A run that is over; times in seconds."""

    sender: Sender
    slots: Sequence[Slot]
    kept: Kept
    faults: Counter[str]
    seconds: float
    quiet_after: float
    tables: Comparison


class Result(msgspec.Struct):
    """What a run found; times in seconds."""

    seconds: float
    quiet_after: float
    deliveries: int
    acknowledged: int
    answers: dict[str, int]
    failed_attempts: int
    beyond_partoo: int
    longest_s: float
    stored: int
    copies: int
    untold: int
    taken_for_redeliveries: int
    faults: dict[str, int]
    starts: dict[str, int]
    verdicts: list[Verdict]

    @property
    def well(self) -> bool:
        return not any(verdict.wrong for verdict in self.verdicts)


def judge(run: Run) -> Result:
    sender = run.sender
    lines = logs.read(slot.log for slot in run.slots if slot.log.exists())
    expected = audit.expect(run.kept, load({}).windows)
    evidence = Evidence(sender.acknowledged, sender.failed_attempts, run.kept, lines.deliveries, expected)
    stored = sum(len(entries) for entries in run.kept.writes.accepted.values())
    return Result(
        seconds=run.seconds,
        quiet_after=run.quiet_after,
        deliveries=sender.work.deliveries,
        acknowledged=sum(len(answers) for answers in sender.acknowledged.values()),
        answers=dict(sorted(sender.answers.items())),
        failed_attempts=sender.failed_attempts,
        beyond_partoo=sender.beyond_partoo,
        longest_s=round(sender.longest_s, 1),
        stored=stored,
        copies=audit.copies(evidence),
        untold=stored - len(lines.deliveries),
        taken_for_redeliveries=audit.taken_for_redeliveries(evidence),
        faults=dict(sorted(run.faults.items())),
        starts={slot.name: slot.starts for slot in run.slots},
        verdicts=[
            *audit.audit(evidence),
            *_of_the_sender(sender),
            *_of_the_processes(run.slots, lines),
            _of_postgres(run),
        ],
    )


def _of_the_sender(sender: Sender) -> list[Verdict]:
    answers = sum(sender.answers.values())
    outside = [f"{count} answers {status}" for status, count in sender.answers.items() if status not in EXPECTED]
    silent = [f"{sender.without_retry_after} answers 503 without Retry-After"] if sender.without_retry_after else []
    return [
        Verdict("every delivery was acknowledged in the end", sender.work.deliveries, sender.lost[:MOST_SHOWN]),
        Verdict("every answer was 200, or 503 with Retry-After", answers, outside + silent),
    ]


def _of_postgres(run: Run) -> Verdict:
    found = run.tables
    return Verdict("the tables in Postgres are the mirror's, row by row", found.rows, found.differing[:MOST_SHOWN])


def _of_the_processes(slots: Sequence[Slot], lines: logs.Told) -> list[Verdict]:
    ended = [f"{slot.name} ended with status {status}" for slot in slots for status in slot.unexpected]
    starts = sum(slot.starts for slot in slots)
    return [
        Verdict("no process ended but by a signal, and each that was told to stop did", starts, ended),
        Verdict("no log tells of an error of our own", sum(lines.events.values()), lines.errors[:MOST_SHOWN]),
    ]
