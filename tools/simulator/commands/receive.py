"""`receive`: a receiver of the mirror's outgoing webhooks, which prints and checks what comes."""

import argparse
import asyncio
import json
import signal
import sys
import time

from aiohttp import web

from tools.simulator.commands import Command
from tools.simulator.errors import UsageError
from tools.simulator.receiving import Faults, Received, Receiver, Tally, key_of

_DESCRIPTION = """\
Listen on loopback for a mirror's outgoing webhooks. Each is checked (its
signature, and that it is not older than one taken of the same review), printed
and answered with 200, or with --fail for a --share of the requests.

Exit status, after Ctrl-C or --count events: 0 all signed and in order, 1 not,
2 it cannot be done as asked.
"""
_EXAMPLES = """\
  python -m mirror endpoints add http://127.0.0.1:9000/     with OUTGOING_ALLOW_PRIVATE=on; prints the secret
  python -m tools.simulator receive --port 9000 --secret whsec_…
  python -m tools.simulator receive --port 9000 --secret whsec_… --fail 503 --share 0.2
                                                            one request in five fails
"""
_HIGHEST_PORT = 65_535


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, required=True, help="where to listen, on 127.0.0.1; 0: a free port")
    parser.add_argument(
        "--secret", action="append", required=True, metavar="whsec_…", help="the endpoint's secret; two while rotating"
    )
    parser.add_argument("--fail", type=int, default=503, metavar="STATUS", help="what a failing request gets (503)")
    parser.add_argument("--share", type=float, default=0.0, help="which share of the requests fails, from 0 to 1 (0)")
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="how long each answer takes (0)")
    parser.add_argument("--seed", type=int, default=1, help="which of the requests fail (1)")
    parser.add_argument("--count", type=int, metavar="N", help="end after so many events were taken")
    parser.add_argument("--json", action="store_true", help="one JSON object a line in place of text")


def run(args: argparse.Namespace) -> int:
    keys = [key_of(secret) for secret in args.secret]
    if not 0 <= args.share <= 1:
        raise UsageError("--share: must be from 0 to 1")
    if not 200 <= args.fail <= 599:  # noqa: PLR2004 - what HTTP knows as final answers
        raise UsageError("--fail: must be a status from 200 to 599")
    if not 0 <= args.port <= _HIGHEST_PORT:
        raise UsageError(f"--port: must be from 0 to {_HIGHEST_PORT}")
    return asyncio.run(_receive(args, keys))


async def _receive(args: argparse.Namespace, keys: list[bytes]) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    def tell(received: Received) -> None:
        _print(json.dumps(_facts(received), ensure_ascii=False) if args.json else _line(received))
        if args.count is not None and receiver.tally.taken >= args.count:
            loop.call_later(0.2, stop.set)  # once the answer is on its way

    receiver = Receiver(keys, Faults(args.fail, args.share, args.wait), tell, args.seed)
    runner = web.AppRunner(receiver.application(), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", args.port)
        try:
            await site.start()
        except OSError as error:
            raise UsageError(f"--port {args.port}: cannot listen there ({error.strerror})") from None
        if not args.json:
            _print(f"Listening on http://127.0.0.1:{runner.addresses[0][1]}/ . Ctrl-C ends it.")
        await stop.wait()
    finally:
        await runner.cleanup()
    _print(json.dumps(_summary(receiver.tally)) if args.json else _summary_line(receiver.tally))
    return 1 if receiver.tally.wrong else 0


def _line(received: Received) -> str:
    event, at = received.event, time.strftime("%H:%M:%S")
    what = f"{event['id']}  {event['type']}  {event['time']}" if event else "not an event of this secret"
    return f"{at}  {what} | {received.note} | {received.status}"


def _facts(received: Received) -> dict[str, object]:
    return {"status": received.status, "note": received.note, "event": received.event or None}


def _summary(tally: Tally) -> dict[str, int]:
    return {
        "taken": tally.taken,
        "subjects": len(tally.subjects),
        "again": tally.again,
        "out_of_order": tally.out_of_order,
        "forged": tally.forged,
        "failed": tally.failed,
    }


def _summary_line(tally: Tally) -> str:
    return (
        f"{tally.taken} events taken, of {len(tally.subjects)} reviews or incidents; {tally.again} came again, "
        f"{tally.out_of_order} out of order, {tally.forged} with a wrong signature, {tally.failed} refused as told"
    )


def _print(text: str) -> None:
    # Flushed: whoever reads along, a person or a program, sees each event when it comes.
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


COMMAND = Command("receive", "receive a mirror's outgoing webhooks", _DESCRIPTION, _EXAMPLES, configure, run)
