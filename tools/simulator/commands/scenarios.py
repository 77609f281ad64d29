"""`scenarios`: what there is to send."""

import argparse
import sys

from tools.simulator.commands import Command
from tools.simulator.library import load_scenario, shipped_names

_DESCRIPTION = "List the shipped scenarios, name and title."
_EXAMPLES = """\
  python -m tools.simulator scenarios
  python -m tools.simulator send documented --url http://127.0.0.1:8080/webhooks/partoo
"""


def configure(_parser: argparse.ArgumentParser) -> None:
    """Add nothing: there is nothing to choose."""


def run(_args: argparse.Namespace) -> int:
    names = shipped_names()
    width = max(map(len, names))
    for name in names:
        sys.stdout.write(f"{name:<{width}}  {load_scenario(name).title}\n")
    return 0


COMMAND = Command("scenarios", "list the shipped scenarios", _DESCRIPTION, _EXAMPLES, configure, run)
