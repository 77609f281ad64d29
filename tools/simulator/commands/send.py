"""`send`: a scenario's events over real HTTP, each acknowledged or lost before the next one."""

import argparse
import asyncio
import json
import sys

from aiohttp import ClientSession

from tools.simulator import report
from tools.simulator.commands import Command
from tools.simulator.commands.arguments import add_key, add_seconds, add_secret, webhook_url
from tools.simulator.key_file import load_signer
from tools.simulator.library import load_scenario
from tools.simulator.playing import Target, play
from tools.simulator.scenario import Scenario, Step
from tools.simulator.sending import Attempt, RetryPolicy

_DESCRIPTION = """\
Send a scenario's events in order, signed, over HTTP. As Partoo documents it:
200 acknowledges an event; a 5xx answer is followed by up to 5 redeliveries with
exponential backoff, and then the event is lost; any other answer loses it at
once. Failed connections and timeouts, on which Partoo documents nothing, count
as 5xx.

Exit status: 0 all acknowledged, 1 an event was lost, 2 it cannot be done as
asked.
"""
_EXAMPLES = """\
  python -m tools.simulator send documented --url http://127.0.0.1:8080/webhooks/partoo
  python -m tools.simulator send documented --url … --day 1     26 days in 26 seconds
  python -m tools.simulator send my-own.json --url … --secret s3cr3t --json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scenario", metavar="SCENARIO", help="a shipped scenario's name, or the path of a file")
    parser.add_argument("--url", required=True, help="the webhook's URL; every event is posted to it")
    add_key(parser)
    add_secret(parser)
    add_seconds(parser, "--day", 0.0, "how long one day of the scenario lasts; 0: no waiting")
    add_seconds(parser, "--retry-base", 1.0, "the first wait before a redelivery; each further one is twice as long")
    add_seconds(parser, "--timeout", 10.0, "how long an answer may take; 0: without limit")
    parser.add_argument("--json", action="store_true", help="one JSON object a line in place of text")


def run(args: argparse.Namespace) -> int:
    scenario = load_scenario(args.scenario)
    policy = RetryPolicy(base=args.retry_base, timeout=args.timeout)
    target = Target(webhook_url(args.url, args.secret), load_signer(args.key), policy)
    return asyncio.run(_send(scenario, target, args.day, as_json=args.json))


async def _send(scenario: Scenario, target: Target, day: float, *, as_json: bool) -> int:
    if not as_json:
        _print(scenario.title)
    lost = 0
    async with ClientSession() as session:
        async for step, delivery in play(session, scenario, target, day, _report_redelivery):
            if as_json:
                _print(json.dumps(report.facts(step, delivery), ensure_ascii=False))
            else:
                _print(report.line(step, delivery))
            if not delivery.acknowledged:
                lost += 1
                sys.stderr.write(f"{report.loss(step, delivery)}\n")
    return 1 if lost else 0


def _report_redelivery(step: Step, attempt: Attempt, delay: float) -> None:
    sys.stderr.write(f"{report.redelivery(step, attempt, delay)}\n")


def _print(text: str) -> None:
    # Flushed: whoever reads along, a person or a program, sees each step when it happens.
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


COMMAND = Command("send", "send a scenario's events to a URL", _DESCRIPTION, _EXAMPLES, configure, run)
