"""The tables of a whole run, and what they must show. Performs no I/O."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mirror.domain.changes import Certainty
from tools.accuracy.stack import Outcome
from tools.accuracy.true_time import Count
from tools.accuracy.wires import WIRES

# What share of reviews may be wrong in the end without an API key: the best that payloads allow on that wire.
MOST_WRONG = {"clean": 0.0, "faulty": 0.01, "bad-day": 0.02}
# The strategies see the planned order of arrival. Where our own processes fail, deliveries are sent again and the real
# order is another one, in which a few more reviews may go wrong for whoever trusts it.
SLACK = 0.005
STRATEGIES = ("body hash", "newer clock", "clock not older", "last arrival")
_NOT_PLAYED = "-"


@dataclass(frozen=True)
class Row:
    """One wire: the mirror without a key and with one, and how many reviews each strategy has wrong.

    Wires that are about the API are played with a key only.
    """

    wire: str
    with_key: Outcome
    without_key: Outcome | None = None
    strategies: Mapping[str, int] | None = None

    @property
    def outcomes(self) -> list[Outcome]:
        return [self.with_key] if self.without_key is None else [self.without_key, self.with_key]


def table(rows: list[Row]) -> str:
    """Write the rows as a Markdown table."""
    head = ["wire", "deliveries", "returns", "faults of our own", "wrong without a key", "not proven without"]
    head += ["wrong with a key", "not proven with", "wrong and proven", "false entries", "requests to Partoo"]
    head += [f"wrong: {name}" for name in STRATEGIES]
    return _markdown(head, (_cells(row) for row in rows))


def _cells(row: Row) -> list[str]:
    without, with_key = row.without_key, row.with_key
    cells = [row.wire, str(with_key.deliveries), str(with_key.returns), str(sum(o.disruptions for o in row.outcomes))]
    cells += [_NOT_PLAYED] * 2 if without is None else [_wrong(without), _not_proven(without)]
    cells += [_wrong(with_key), _not_proven(with_key), str(sum(o.wrong_proven for o in row.outcomes))]
    false = sum(outcome.history_surplus for outcome in row.outcomes)
    cells += [str(false) if WIRES[row.wire].clean else _NOT_PLAYED, str(with_key.api_requests)]
    if row.strategies is None:
        return cells + [_NOT_PLAYED] * len(STRATEGIES)
    return cells + [_share(row.strategies[name], with_key.reviews) for name in STRATEGIES]


def true_time_table(counts: Sequence[Count]) -> str:
    """Write what a mirror without a key calls proven, at the windows of production."""
    head = ["wire", "update_date moves with", "wrong", "wrong and proven", "on the way"]
    head += ["unproven", "ambiguous"]
    rows = (
        [
            count.wire,
            count.moves,
            _share(count.wrong.total(), count.reviews.total()),
            str(count.wrong[Certainty.PROVEN]),
            str(count.misled),
            *(_share(count.reviews[one], count.reviews.total()) for one in (Certainty.UNPROVEN, Certainty.AMBIGUOUS)),
        ]
        for count in counts
    )
    return _markdown(head, rows)


def failures(rows: list[Row], counts: Sequence[Count] = ()) -> Iterator[str]:
    """Say what a row must show and does not."""
    for count in counts:
        if count.wrong[Certainty.PROVEN]:
            yield f"{count.wire}, in true time: {count.wrong[Certainty.PROVEN]} wrong reviews are called proven"
        if count.misled:
            yield f"{count.wire}, in true time: {count.misled} times a wrong review was called proven on the way"
    for row in rows:
        yield from _failures_of_any(row)
        if row.without_key is not None:
            yield from _failures_without_key(row, row.without_key)


def _failures_of_any(row: Row) -> Iterator[str]:
    lost = sum(outcome.lost for outcome in row.outcomes)
    if lost:
        yield f"{row.wire}: {lost} events were lost because of an answer of ours"
    for outcome in row.outcomes:
        if outcome.wrong_proven:
            shown = [found for found in outcome.differing if found["certainty"] == Certainty.PROVEN][:3]
            yield f"{row.wire}: {outcome.wrong_proven} wrong reviews are called proven: {shown}"
        if WIRES[row.wire].clean and outcome.history_surplus:
            yield f"{row.wire}: {outcome.history_surplus} false entries in histories: {outcome.differing_histories[:3]}"
    if row.with_key.wrong:
        yield f"{row.wire}: {row.with_key.wrong} reviews are wrong with an API key: {row.with_key.differing[:3]}"


def _failures_without_key(row: Row, without: Outcome) -> Iterator[str]:
    most = MOST_WRONG.get(row.wire)
    if most is not None and without.wrong > most * without.reviews:
        yield f"{row.wire}: {without.wrong} reviews are wrong without a key, more than {most:.1%}"
    slack = SLACK * without.reviews if without.disruptions else 0
    if row.strategies is not None and without.wrong > row.strategies["last arrival"] + slack:
        yield f"{row.wire}: without a key, more reviews are wrong than with last arrival"
    if WIRES[row.wire].clean and without.history_missing:
        yield f"{row.wire}: the histories lack {without.history_missing} events"


def _wrong(outcome: Outcome) -> str:
    return _share(outcome.wrong, outcome.reviews)


def _not_proven(outcome: Outcome) -> str:
    return _share(outcome.unproven + outcome.ambiguous, outcome.reviews)


def _share(count: int, total: int) -> str:
    return f"{count} ({count / total:.1%})" if total else "0"


def _markdown(head: list[str], rows: Iterator[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
