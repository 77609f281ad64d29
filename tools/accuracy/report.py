"""The table of a whole run, and what it must show. Performs no I/O."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tools.accuracy.stack import Outcome

# What share of reviews may be wrong in the end without an API key: the best that payloads allow on that wire.
MOST_WRONG = {"clean": 0.0, "faulty": 0.005, "bad-day": 0.02}
# The strategies see the planned order of arrival. Where our own processes fail, deliveries are sent again and the real
# order is another one, in which a few more reviews may go wrong for whoever trusts it.
SLACK = 0.005
STRATEGIES = ("body hash", "newer clock", "clock not older", "last arrival")


@dataclass(frozen=True)
class Row:
    """One wire: the mirror without a key and with one, and how many reviews each strategy has wrong."""

    wire: str
    without_key: Outcome
    with_key: Outcome
    strategies: Mapping[str, int]


def table(rows: list[Row]) -> str:
    """Write the rows as a Markdown table."""
    head = ["wire", "deliveries", "returns", "faults of our own", "wrong without a key", "wrong with a key"]
    head += ["requests to Partoo", *(f"wrong: {name}" for name in STRATEGIES)]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for row in rows:
        without, with_key = row.without_key, row.with_key
        cells = [row.wire, without.deliveries, without.returns, without.disruptions + with_key.disruptions]
        cells += [_share(without.wrong, without.reviews), _share(with_key.wrong, with_key.reviews)]
        cells += [with_key.api_requests, *(_share(row.strategies[name], without.reviews) for name in STRATEGIES)]
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines)


def failures(rows: list[Row]) -> Iterator[str]:
    """Say what a row must show and does not."""
    for row in rows:
        without, with_key = row.without_key, row.with_key
        if without.lost or with_key.lost:
            yield f"{row.wire}: {without.lost + with_key.lost} events were lost because of an answer of ours"
        if with_key.wrong:
            yield f"{row.wire}: {with_key.wrong} reviews are wrong with an API key: {with_key.differing[:3]}"
        most = MOST_WRONG.get(row.wire)
        if most is not None and without.wrong > most * without.reviews:
            yield f"{row.wire}: {without.wrong} reviews are wrong without a key, more than {most:.1%}"
        slack = SLACK * without.reviews if without.disruptions else 0
        if without.wrong > row.strategies["last arrival"] + slack:
            yield f"{row.wire}: without a key, more reviews are wrong than with last arrival"
        if row.wire == "clean" and (without.history_missing or without.history_surplus):
            told = f"lack {without.history_missing} events, and tell of {without.history_surplus} untrue"
            yield f"clean: the histories {told}"


def _share(count: int, total: int) -> str:
    return f"{count} ({count / total:.1%})" if total else "0"
