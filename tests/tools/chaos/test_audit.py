"""The audit notices what a broken mirror would leave behind."""

from collections import Counter
from collections.abc import Callable

import msgspec
import pytest

from mirror.domain.changes import Source
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.record import Windows
from tools.chaos.audit import CHECKS, Evidence, audit, expect
from tools.chaos.kept import Kept
from tools.chaos.lives import life
from tools.chaos.sending import Acknowledged
from tools.chaos.writes import Writes, read_writes

LENGTH = 60


def sound() -> Evidence:
    """Make the evidence of two reviews with which all went well."""
    acknowledged: dict[int, list[Acknowledged]] = {}
    accepted: dict[int, list[Entry]] = {}
    for review_id in (1, 2):
        for number, sent in enumerate(life(1, review_id, LENGTH)):
            name = make_delivery_id(number, review_id)
            acknowledged.setdefault(review_id, []).append(Acknowledged(sent, sent.status, name))
            if sent.status == "accepted":
                accepted.setdefault(review_id, []).append(Entry(name, number, Source.WEBHOOK, sent.body))
    letters = Counter(one.sent.body for all_ in acknowledged.values() for one in all_ if one.status == "dead_letter")
    kept = Kept(Writes(accepted, {}, LENGTH, []), {}, {}, letters, 0, 0, 0)
    expected = expect(kept, Windows())
    for review_id, settled in expected.items():
        assert settled.record is not None
        kept.reviews[review_id] = (settled.record, settled.changes)
        for decision in settled.decisions:
            name = f"decisions:{decision.outcome}"
            kept.counts[name] = kept.counts.get(name, 0) + 1
    kept.counts["deliveries:accepted"] = sum(len(entries) for entries in accepted.values())
    told = {entry.delivery_id: 1 for entries in accepted.values() for entry in entries}
    return Evidence(acknowledged, 0, kept, told, expected)


def failed(evidence: Evidence) -> set[str]:
    return {verdict.check for verdict in audit(evidence) if verdict.wrong}


def test_of_a_run_in_which_all_went_well_nothing_is_wrong_and_everything_was_looked_at() -> None:
    assert failed(sound()) == set()
    looked_at = {verdict.check: verdict.looked_at for verdict in audit(sound())}
    assert [check for check, count in looked_at.items() if not count] == [
        "whatever is stored without a 200 was sent by an attempt that failed"
    ]


def lose_an_entry(evidence: Evidence) -> None:
    del evidence.kept.writes.accepted[1][3]


def change_a_body(evidence: Evidence) -> None:
    entries = evidence.kept.writes.accepted[1]
    entries[3] = msgspec.structs.replace(entries[3], body=b"{}")


def lose_a_letter(evidence: Evidence) -> None:
    evidence.kept.dead_letters.popitem()


def miss_a_copy_of_a_letter(evidence: Evidence) -> None:
    answers = evidence.acknowledged[1]
    assert isinstance(answers, list)
    answers.append(next(one for one in answers if one.status == "dead_letter"))


def double_an_entry(evidence: Evidence) -> None:
    evidence.kept.writes.accepted[1].append(evidence.kept.writes.accepted[1][0])


def leave_something_waiting(evidence: Evidence) -> None:
    evidence.kept.inboxes = 1


def double_a_change(evidence: Evidence) -> None:
    record, changes = evidence.kept.reviews[1]
    evidence.kept.reviews[1] = (record, [*changes, changes[-1]])


def lose_a_record(evidence: Evidence) -> None:
    evidence.kept.reviews[1] = evidence.kept.reviews[2]


def count_twice(evidence: Evidence) -> None:
    evidence.kept.counts["decisions:updated"] += 1


def split_a_commit(evidence: Evidence) -> None:
    evidence.kept.writes.split.append(1)


def tell_twice(evidence: Evidence) -> None:
    assert isinstance(evidence.told, dict)
    evidence.told[evidence.kept.writes.accepted[1][0].delivery_id] = 2


def answer_wrongly(evidence: Evidence) -> None:
    answers = evidence.acknowledged[1]
    assert isinstance(answers, list)
    answers[0] = msgspec.structs.replace(answers[0], status="ignored")


@pytest.mark.parametrize(
    ("break_it", "check"),
    [
        (lose_an_entry, "whatever was answered 200 was stored first, byte for byte"),
        (change_a_body, "whatever was answered 200 was stored first, byte for byte"),
        (lose_a_letter, "every dead letter that was answered 200 is kept"),
        (miss_a_copy_of_a_letter, "every dead letter that was answered 200 is kept"),
        (double_an_entry, "nothing was stored twice under one id"),
        (double_an_entry, "whatever is stored without a 200 was sent by an attempt that failed"),
        (leave_something_waiting, "nothing waits"),
        (double_a_change, "every history is complete, without doubles, and leads to its review"),
        (double_a_change, "every review and history is the fold of what Redis accepted, in its order"),
        (lose_a_record, "every review and history is the fold of what Redis accepted, in its order"),
        (lose_a_record, "every review shows what was acknowledged last"),
        (count_twice, "every delivery is counted once, as what it meant"),
        (split_a_commit, "every commit takes what it applies out of the inbox, in one step"),
        (tell_twice, "the logs tell of no delivery twice"),
        (answer_wrongly, "every answer says what became of the delivery"),
    ],
)
def test_what_is_wrong_is_found(break_it: Callable[[Evidence], None], check: str) -> None:
    assert check in CHECKS
    evidence = sound()
    break_it(evidence)
    assert check in failed(evidence)


def test_a_commit_that_leaves_the_inbox_to_another_step_is_found_in_redis_log_of_writes() -> None:
    entry = b'["000000000001000000000000",1,"webhook"]\n{}'
    push = [b"RPUSH", b"rm:{34}:inbox", entry]
    written = [b"SET", b"rm:{34}:record", b"{}"]
    trimmed = [b"LTRIM", b"rm:{34}:inbox", b"1", b"-1"]
    whole = read_writes([push, [b"MULTI"], trimmed, written, [b"EXEC"]])
    assert (len(whole.accepted[34]), whole.commits, whole.split) == (1, 1, [])
    assert read_writes([push, [b"MULTI"], written, [b"EXEC"], trimmed]).split == [34]
