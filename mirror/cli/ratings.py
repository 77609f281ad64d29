"""`ratings`: a business's rating over time, as it was shown and as it was."""

import argparse
import sys
from collections.abc import Sequence

import msgspec

from mirror.cli.arguments import misused, moment
from mirror.cli.output import counted, write, write_json
from mirror.clock import iso
from mirror.domain.ratings import Rating, Ratings, Track, moments, series
from mirror.settings import Settings
from mirror.storage import ratings
from mirror.storage.store import Store

NAME = "ratings"
HELP = "draw a business's rating over time: as it was shown, and adjusted for reviews that came back"
INTERVALS = ("day", "week", "month")
DEFAULT_SPAN_MS = 30 * 86_400_000
MAX_BUCKETS = 1_000
# Steps between two lines of progress.
_STEPS = 20
_BAR = 20
_BEST = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("business", metavar="BUSINESS", help="the business's id at Partoo")
    parser.add_argument("--partner", help="only reviews at this partner, such as google_my_business")
    parser.add_argument("--from", dest="start", type=moment, metavar="TIME", help="default: 30 days before the end")
    parser.add_argument("--to", dest="end", type=moment, metavar="TIME", help="default: now")
    parser.add_argument("--interval", choices=INTERVALS, default="day", help="one line for each (default: day)")


async def run(store: Store, _settings: Settings, options: argparse.Namespace) -> int:
    end = await store.now() if options.end is None else options.end
    start = max(0, end - DEFAULT_SPAN_MS) if options.start is None else options.start
    wanted = moments(start, end, options.interval)
    if not wanted or len(wanted) > MAX_BUCKETS:
        return misused(f"--from, --to and --interval must give 1 to {MAX_BUCKETS} lines, not {len(wanted)}")
    await _catch_up(store)
    tracks: list[Track] = []
    async for piece in ratings.tracks(store, options.business):
        tracks += [track for track in piece if options.partner in (None, track.partner)]
    if not tracks:
        sys.stderr.write("reviewmirror: no review of this business is mirrored\n")
        return 1
    found = series(tracks, wanted)
    if options.json:
        write_json([{"at": iso(at)} | msgspec.structs.asdict(one) for at, one in zip(wanted, found, strict=True)])
    else:
        _draw(wanted, found)
    return 0


async def _catch_up(store: Store) -> None:
    while not await ratings.catch_up(store, _STEPS):
        sys.stderr.write("reviewmirror: the ratings are being worked out from the histories ...\n")


def _draw(wanted: Sequence[int], found: Sequence[Ratings]) -> None:
    write(f"{'':10}  {'shown':{_BAR + 16}}  adjusted")
    for at, one in zip(wanted, found, strict=True):
        marked = "" if one.shown == one.adjusted else f"   {_difference(one)}"
        write(f"{iso(at)[:10]}  {_bar(one.shown)}  {_bar(one.adjusted)}{marked}".rstrip())


def _bar(rating: Rating) -> str:
    if rating.average is None:
        return f"{'-':>4} {'':{_BAR}} {'':10}"
    filled = round(max(0.0, min(1.0, rating.average / _BEST)) * _BAR)
    return f"{rating.average:4.2f} {'█' * filled:{_BAR}} {rating.count:>10,}"


def _difference(one: Ratings) -> str:
    missing = one.adjusted.count + one.adjusted.count_unrated - one.shown.count - one.shown.count_unrated
    return f"{counted(missing, 'review')} missing"
