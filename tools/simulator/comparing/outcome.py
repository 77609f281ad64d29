"""The findings of a comparison as a table for people or an object for programs. Performs no I/O."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tools.simulator.comparing.comparison import Certainty, Finding, Verdict
from tools.simulator.comparing.history import HistoryFinding

_SHOWN = 10
_SHOWN_CHARS = 200
_NOTES = {
    Verdict.EQUAL: "status and every field",
    Verdict.WRONG_STATUS: "live instead of deleted, or the other way round",
    Verdict.WRONG_PAYLOAD: "the right status, but a field differs",
    Verdict.NOT_MIRRORED: "true, and unknown to the mirror",
    Verdict.UNKNOWN: "mirrored, and unknown to the truth",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """All findings; `histories` is None where they were not compared."""

    findings: Sequence[Finding]
    histories: Sequence[HistoryFinding] | None = None

    @property
    def is_equal(self) -> bool:
        return not self.differing and not self.differing_histories

    @property
    def differing(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.verdict is not Verdict.EQUAL]

    def certain(self, certainty: Certainty) -> list[Finding]:
        """Give the findings of the reviews of which the mirror says this."""
        return [finding for finding in self.findings if finding.certainty is certainty]

    @property
    def differing_histories(self) -> list[HistoryFinding]:
        return [history for history in self.histories or () if history.missing or history.surplus]


def facts(outcome: Outcome) -> dict[str, Any]:
    """Tell the outcome as a JSON object, with every review that differs."""
    counts = Counter(finding.verdict for finding in outcome.findings)
    told: dict[str, Any] = {"equal": outcome.is_equal, "reviews": len(outcome.findings) - counts[Verdict.UNKNOWN]}
    told["verdicts"] = {verdict.value: counts[verdict] for verdict in Verdict}
    told["certainty"] = {
        certainty.value: {"reviews": len(found), "wrong": _count_wrong(found)}
        for certainty in Certainty
        for found in (outcome.certain(certainty),)
    }
    told["differing"] = [
        {
            "id": finding.review_id,
            "verdict": finding.verdict,
            "detail": finding.detail,
            "certainty": finding.certainty,
        }
        for finding in outcome.differing
    ]
    if outcome.histories is not None:
        told["history"] = _history_counts(outcome.histories) | {
            "differing": [
                {"id": history.review_id, "missing": history.missing, "surplus": history.surplus}
                for history in outcome.differing_histories
            ]
        }
    return told


def table(outcome: Outcome) -> str:
    """Tell it as a table, with the first reviews that differ."""
    counts = Counter(finding.verdict for finding in outcome.findings)
    rows = [("reviews", len(outcome.findings) - counts[Verdict.UNKNOWN], "in the truth")]
    rows += [(verdict.replace("_", " "), counts[verdict], note) for verdict, note in _NOTES.items()]
    for certainty in Certainty:
        if found := outcome.certain(certainty):
            rows.append((certainty, len(found), f"as the mirror says; {_count_wrong(found)} of them are wrong"))
    if outcome.histories is not None:
        numbers = _history_counts(outcome.histories)
        rows += [
            ("events", numbers["events"], "in the truth"),
            ("missing", numbers["missing"], "events that no history has"),
            ("surplus", numbers["surplus"], "entries of histories for which nothing happened"),
        ]
    width = max(len(f"{number:,}") for _, number, _ in rows)
    lines = [f"{name:<14}{number:>{width},}  {note}" for name, number, note in rows]
    return "\n".join([*lines, *_first(outcome)])


def _count_wrong(findings: Sequence[Finding]) -> int:
    return sum(finding.verdict is not Verdict.EQUAL for finding in findings)


def _history_counts(histories: Sequence[HistoryFinding]) -> dict[str, Any]:
    return {
        "events": sum(history.events for history in histories),
        "missing": sum(len(history.missing) for history in histories),
        "surplus": sum(len(history.surplus) for history in histories),
    }


def _first(outcome: Outcome) -> list[str]:
    lines = [
        f"review {finding.review_id}: {finding.verdict.replace('_', ' ')}: {finding.detail}{_claim(finding)}"
        for finding in outcome.differing
    ]
    for history in outcome.differing_histories:
        lines += [f"review {history.review_id}: history lacks {_cut(entry)}" for entry in history.missing]
        lines += [f"review {history.review_id}: history has, untrue, {_cut(entry)}" for entry in history.surplus]
    more = len(lines) - _SHOWN
    return ["", *lines[:_SHOWN], *([f"… and {more} more; --json tells all"] if more > 0 else [])] if lines else []


def _claim(finding: Finding) -> str:
    return "" if finding.certainty is Certainty.UNTOLD else f" ({finding.certainty})"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
