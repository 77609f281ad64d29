"""The command line: `python -m tools.simulator COMMAND`, each command in a module of its own."""

import argparse
import sys
from collections.abc import Sequence

from tools.simulator.commands import compare, key, receive, scenarios, send, serve
from tools.simulator.errors import UsageError

_COMMANDS = (key.COMMAND, scenarios.COMMAND, send.COMMAND, serve.COMMAND, compare.COMMAND, receive.COMMAND)

_DESCRIPTION = """\
A Partoo to run on a laptop: signs events, sends them over HTTP, and redelivers
as Partoo does; serves its REST API; and compares a mirror with the truth.
"""
_EXAMPLES = """\
  python -m tools.simulator key           make a key; give the receiver the line it prints
  python -m tools.simulator scenarios     what there is to send
  python -m tools.simulator send documented --url http://127.0.0.1:8080/webhooks/partoo
  python -m tools.simulator serve --url http://127.0.0.1:8080/webhooks/partoo --truth-file truth.json
  python -m tools.simulator compare --mirror http://127.0.0.1:8080 --token T --truth truth.json
  python -m tools.simulator receive --port 9000 --secret whsec_…   what the mirror tells others
"""


def build_parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m tools.simulator",
        description=_DESCRIPTION,
        epilog=f"examples:\n{_EXAMPLES}",
        formatter_class=raw,
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        subparser = subparsers.add_parser(
            command.name,
            help=command.summary,
            description=command.description,
            epilog=f"examples:\n{command.examples}",
            formatter_class=raw,
        )
        command.configure(subparser)
        subparser.set_defaults(run=command.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status.

    0 done, 1 an event was lost or a review differs, 2 it cannot be done as asked.

    Raises SystemExit (2) where the arguments themselves are wrong, and for --help (0).
    """
    args = build_parser().parse_args(argv)
    try:
        status: int = args.run(args)
    except UsageError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return status
