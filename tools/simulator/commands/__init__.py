"""The commands, a module each: what it is called, what it tells about itself, its arguments, and what it does."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

DEFAULT_KEY_FILE = "simulator.key"


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the command line. `run` gives the exit status and may raise UsageError."""

    name: str
    summary: str
    description: str
    examples: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
