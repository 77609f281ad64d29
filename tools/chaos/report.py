"""The report of a run, in Markdown."""

from collections.abc import Iterator, Mapping
from typing import Any

from tools.chaos.judging import Result


def report(result: Result, facts: Mapping[str, Any]) -> str:
    return "\n".join([*_facts(facts), "", *_numbers(result), "", *_faults(result), "", *_verdicts(result)])


def _facts(facts: Mapping[str, Any]) -> Iterator[str]:
    yield f"`{facts['command']}` on {facts['machine']}, {facts['processors']} processors, Python {facts['python']},"
    yield f"Redis {facts['redis']}. Yesterday's release: {facts['yesterday'] or 'not at hand, left out'}."


def _numbers(result: Result) -> Iterator[str]:
    answers = ", ".join(f"{count:,} x {status}" for status, count in result.answers.items())
    yield "| what | how many |"
    yield "| --- | --- |"
    yield f"| deliveries, of which acknowledged | {result.deliveries:,}, {result.acknowledged:,} |"
    yield f"| answers | {answers} |"
    yield f"| attempts sent again | {result.failed_attempts:,} |"
    yield f"| deliveries that took more than Partoo's six attempts | {result.beyond_partoo:,} |"
    yield f"| longest from first attempt to 200 | {result.longest_s:g} s |"
    yield f"| stored, of which copies whose 200 was lost | {result.stored:,}, {result.copies:,} |"
    yield f"| applied without a line in a log (their worker died, or its answer was cut off) | {result.untold:,} |"
    yield f"| acknowledged, and yet taken for redeliveries of something older | {result.taken_for_redeliveries:,} |"
    yield f"| seconds in all, and until all was quiet at the end | {result.seconds:g}, {result.quiet_after:g} |"


def _faults(result: Result) -> Iterator[str]:
    kinds = ", ".join(f"{count} x {kind}" for kind, count in result.faults.items())
    starts = ", ".join(f"{name} {count}" for name, count in result.starts.items())
    yield f"Faults: {sum(result.faults.values())} ({kinds}), then the closing act. Starts: {starts}."


def _verdicts(result: Result) -> Iterator[str]:
    yield "| check | looked at | found |"
    yield "| --- | --- | --- |"
    for verdict in result.verdicts:
        found = "; ".join(verdict.wrong).replace("|", "\\|") or "well"
        yield f"| {verdict.check} | {verdict.looked_at:,} | {found} |"
    yield ""
    yield "Nothing was lost." if result.well else "**Something is wrong.**"
