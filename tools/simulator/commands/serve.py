"""`serve`: a population of reviews that lives, reported by webhooks and shown by the REST API."""

import argparse
import asyncio
import json
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from tools.simulator.commands import Command, api_options, serve_options
from tools.simulator.commands.arguments import add_key, add_secret, webhook_url
from tools.simulator.errors import UsageError
from tools.simulator.key_file import load_signer
from tools.simulator.playing import Target
from tools.simulator.running import Run, Setup
from tools.simulator.sending import RetryPolicy
from tools.simulator.tally import Tally, facts, table

_DESCRIPTION = """\
Be Partoo for a population of reviews: they are written, edited, tagged, replied
to, vanish and come back exactly as they were, or are deleted for good. Each
event is signed and posted; the wire may lose acknowledgements, retry late and
reorder. The REST API shows the truth at the present simulated time, and
http://127.0.0.1:PORT/truth all of it, for the compare command.

Answers count as Partoo documents it: 200 acknowledges; 5xx, a timeout or a
failed connection is followed by up to 5 retries, then the event is lost; any
other answer loses it at once.

Exit status: 0 all acknowledged, 1 an event was lost because of an answer, 2 it
cannot be done as asked, 130 stopped before the end.
"""
_EXAMPLES = """\
  python -m tools.simulator serve --url http://127.0.0.1:8080/webhooks/partoo
  python -m tools.simulator serve --url … --wire bad-day --days 90 --truth-file truth.json
  python -m tools.simulator serve --url … --speed 3600 --api-port 8090 --stay
                                    an hour a second, the API beside it
  python -m tools.simulator serve --api-only --api-port 8090
                                    the API alone, as things stand after 30 days
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="the webhook's URL; every event is posted to it")
    add_key(parser)
    add_secret(parser)
    serve_options.add_population(parser)
    serve_options.add_times(parser)
    serve_options.add_wire(parser)
    api_options.add_api(parser)
    group = parser.add_argument_group("what is told")
    group.add_argument("--truth-file", type=Path, metavar="FILE", help="write the truth there at the end, for compare")
    group.add_argument("--progress", action="store_true", help="a progress bar also where stderr is no terminal")
    group.add_argument("--json", action="store_true", help="JSON objects on stdout in place of text")


def run(args: argparse.Namespace) -> int:
    setup = _setup(args)
    return asyncio.run(_serve(setup, args))


def _setup(args: argparse.Namespace) -> Setup:
    if args.api_only and args.api_port is None:
        raise UsageError("--api-only needs a port: add --api-port PORT, or --api-port 0 for a free one")
    if args.stay and args.api_port is None:
        raise UsageError("--stay keeps the REST API up, and there is none: add --api-port PORT")
    target = None
    if not args.api_only:
        if args.url is None:
            raise UsageError("there is nowhere to send to: add --url URL, or --api-only to serve the API alone")
        policy = RetryPolicy(base=args.retry_base, timeout=args.timeout)
        target = Target(webhook_url(args.url, args.secret), load_signer(args.key), policy)
    return Setup(
        seed=args.seed,
        population=serve_options.population(args),
        wire=serve_options.wire(args),
        speed=args.speed,
        target=target,
        api_port=args.api_port,
        api=api_options.api_options(args),
    )


async def _serve(setup: Setup, args: argparse.Namespace) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    bar = args.progress or sys.stderr.isatty()
    started = time.monotonic()
    async with Run(setup, sys.stderr, bar=bar) as run:
        if run.api_url is not None:
            _tell_api(run.api_url, args)
        complete = await run.play(stop)
        seconds = time.monotonic() - started
        if setup.target is not None:
            _tell_end(run, seconds, as_json=args.json)
        if args.truth_file is not None:
            _write_truth(run, args.truth_file)
        if complete and (args.stay or args.api_only):
            await stop.wait()
    return _status(run.tally, complete=complete)


def _status(tally: Tally, *, complete: bool) -> int:
    if not complete:
        sys.stderr.write("stopped: what has not been sent yet stays unsent\n")
        return 130
    return 1 if tally.lost else 0


def _tell_api(url: str, args: argparse.Namespace) -> None:
    if args.json:
        _print(json.dumps({"api": f"{url}/v2", "api_key": args.api_key, "truth": url}))
    else:
        _print(f"REST API: {url}/v2 with the header x-APIKey: {args.api_key}\nthe truth: {url}/truth")


def _tell_end(run: Run, seconds: float, *, as_json: bool) -> None:
    events = list(run.reviews.events())
    run.tally.events = Counter(event.kind for event in events)
    run.tally.lost_by_plan = run.count_never_sent(events)
    _print(json.dumps(facts(run.tally, seconds)) if as_json else table(run.tally, seconds))


def _write_truth(run: Run, path: Path) -> None:
    try:
        path.write_text(json.dumps(run.truth(), ensure_ascii=False), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--truth-file {path}: cannot be written ({error.strerror}). Name another file") from None


def _print(text: str) -> None:
    # Flushed: a program that started this one waits for the API's address.
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


COMMAND = Command("serve", "let a population of reviews live, send its events", _DESCRIPTION, _EXAMPLES, configure, run)
