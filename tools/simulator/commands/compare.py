"""`compare`: what a mirror shows, beside what is true."""

import argparse
import asyncio
import json
import sys
import time

from aiohttp import ClientSession
from yarl import URL

from tools.simulator.commands import Command
from tools.simulator.commands.arguments import add_seconds, http_url
from tools.simulator.comparing.comparison import compare
from tools.simulator.comparing.history import compare_history
from tools.simulator.comparing.outcome import Outcome, facts, table
from tools.simulator.comparing.reading import Mirror, events_by_id, read_truth, reviews_by_id

_AGAIN_S = 0.5

_DESCRIPTION = """\
Read every review through the mirror's read API and compare it with the truth:
whether it is live or deleted, and every field of it, by value and not by
notation. Reviews that are wrong are told with what the mirror says of them:
proven, unproven or ambiguous. The truth is what a serve command tells (its
API's address), or the file that it wrote.

Exit status: 0 all equal, 1 something differs, 2 it cannot be done as asked.
"""
_EXAMPLES = """\
  python -m tools.simulator compare --mirror http://127.0.0.1:8080 --token T --truth truth.json
  python -m tools.simulator compare --mirror … --token T --truth http://127.0.0.1:8090 --history
  python -m tools.simulator compare --mirror … --token T --truth … --wait 30
                                    until it is equal, for half a minute at most
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mirror", required=True, metavar="URL", help="where the mirror listens")
    parser.add_argument("--token", required=True, metavar="T", help="its API_TOKEN")
    parser.add_argument(
        "--truth", required=True, metavar="WHERE", help="http://127.0.0.1:PORT of serve --api-port, or its --truth-file"
    )
    parser.add_argument("--history", action="store_true", help="also each history with what happened, one for one")
    add_seconds(
        parser, "--wait", 0.0, "compare again until all is equal and the mirror is at rest, for so long at most"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object in place of the table")


def run(args: argparse.Namespace) -> int:
    mirror = http_url("--mirror", args.mirror, "asked")
    if args.truth.startswith(("http://", "https://")):
        http_url("--truth", args.truth, "asked")
    outcome = asyncio.run(_compare_until_equal(mirror, args))
    sys.stdout.write(f"{json.dumps(facts(outcome), ensure_ascii=False) if args.json else table(outcome)}\n")
    return 0 if outcome.is_equal else 1


async def _compare_until_equal(url: URL, args: argparse.Namespace) -> Outcome:
    deadline = time.monotonic() + args.wait
    async with ClientSession() as session:
        mirror = Mirror(session, url, args.token)
        while True:
            left = deadline - time.monotonic()
            settled = left <= 0 or await mirror.is_settled()
            outcome = await _compare(session, mirror, args.truth, history=args.history)
            if left <= 0 or (settled and outcome.is_equal):
                return outcome
            await asyncio.sleep(min(_AGAIN_S, left))


async def _compare(session: ClientSession, mirror: Mirror, where: str, *, history: bool) -> Outcome:
    truth = await read_truth(session, where, history=history)
    if not truth.get("finished", True):
        sys.stderr.write("note: the simulation has not ended; what differs may be on its way\n")
    entries = await mirror.reviews()
    ignored = frozenset(truth.get("added_fields", ()))
    findings = list(compare(reviews_by_id(truth), entries, ignored))
    if not history:
        return Outcome(findings)
    events = events_by_id(truth)
    histories = await mirror.histories(sorted(entries))
    ids = sorted(events.keys() | histories.keys())
    compared = [compare_history(one, events.get(one, []), histories.get(one, []), ignored) for one in ids]
    return Outcome(findings, compared)


COMMAND = Command("compare", "compare a mirror with the truth", _DESCRIPTION, _EXAMPLES, configure, run)
