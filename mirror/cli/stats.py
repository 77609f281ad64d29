"""`stats`: what a deletion means. How absences ended, and after how long the reviews that returned were back."""

import argparse
from collections.abc import Iterator

from mirror.absence_views import counts_view, overview_view
from mirror.cli.arguments import limit
from mirror.cli.output import write, write_json
from mirror.clock import span
from mirror.domain.absences import Counts
from mirror.domain.durations import quantiles
from mirror.domain.incidents import business_scope
from mirror.settings import Settings
from mirror.storage.absences import counts, overview
from mirror.storage.store import Store

NAME = "stats"
HELP = "show how absences ended: how many reviews returned, and after how long"
SHOWN_BUSINESSES = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--business-id", metavar="ID", help="one business only")
    parser.add_argument(
        "--limit",
        type=limit(10_000),
        default=SHOWN_BUSINESSES,
        metavar="N",
        help=f"businesses to show, those with the most absences (default: {SHOWN_BUSINESSES})",
    )


async def run(store: Store, _settings: Settings, options: argparse.Namespace) -> int:
    if options.business_id is not None:
        (found,) = await counts(store, [business_scope(options.business_id)])
        if options.json:
            write_json({"business_id": options.business_id} | counts_view(found))
        else:
            write(_line(found) if found.absences else f"no review of business {options.business_id} has been missing")
        return 0
    everything = await overview(store, options.limit)
    if options.json:
        write_json(overview_view(everything))
        return 0
    write(_line(everything.overall))
    for title, named in (("by partner", everything.by_partner), ("by business", everything.by_business)):
        for line in _group(title, named):
            write(line)
    return 0


def _group(title: str, named: dict[str, Counts]) -> Iterator[str]:
    if named:
        yield ""
        yield title
    for name, found in named.items():
        yield f"  {name}: {_line(found)}"


def _line(found: Counts) -> str:
    if not found.absences:
        return "no review has been missing"
    ends = f"{found.returned} returned, {found.ended_gone} gone, {found.going_on} going on"
    after = ", ".join(f"{name} {span(round(s * 1000))}" for name, s in quantiles(found.back).items() if s is not None)
    return f"{found.absences} {'absence' if found.absences == 1 else 'absences'}: {ends}" + (
        f"; back after {after}" if after else ""
    )
