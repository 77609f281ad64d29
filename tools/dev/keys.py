"""The simulator's key, as one asks for it on the command line: this package knows of the simulator only that."""

import subprocess
import sys
from pathlib import Path


def public_key_line(key_file: Path) -> str:
    """Return the value of PARTOO_PUBLIC_KEYS for a key file, making the key if the file does not exist."""
    how = ["--show"] if key_file.exists() else []
    command = [sys.executable, "-m", "tools.simulator", "key", "--file", str(key_file), *how]
    line = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout  # noqa: S603 - our own module
    return line.strip().partition("=")[2]
