"""`key`: a key pair, and the line that makes a receiver trust it."""

import argparse
import sys
from pathlib import Path

from tools.simulator.commands import DEFAULT_KEY_FILE, Command
from tools.simulator.key_file import load_signer, save_signer
from tools.simulator.keys import Signer

_DESCRIPTION = """\
Make an Ed25519 key pair. The private key goes to a file that its owner alone
can read; an existing file is never overwritten. The public key is printed as a
line for the environment of the receiver.
"""
_EXAMPLES = """\
  python -m tools.simulator key             make simulator.key, print PARTOO_PUBLIC_KEYS=…
  python -m tools.simulator key --show      print the line of a key made before
  python -m tools.simulator key >> .env     hand the line to the receiver
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--file",
        type=Path,
        default=Path(DEFAULT_KEY_FILE),
        metavar="FILE",
        help="the private key's file (default: %(default)s)",
    )
    parser.add_argument("--show", action="store_true", help="make nothing; print the public line of the existing FILE")


def run(args: argparse.Namespace) -> int:
    if args.show:
        signer = load_signer(args.file)
    else:
        signer = Signer.new()
        save_signer(signer, args.file)
        # On stderr: stdout holds the one line that can be appended to a file of settings.
        sys.stderr.write(f"the private key is in {args.file}: keep it out of version control\n")
    sys.stdout.write(f"PARTOO_PUBLIC_KEYS={signer.public_key}\n")
    return 0


COMMAND = Command("key", "make a key pair and print its public line", _DESCRIPTION, _EXAMPLES, configure, run)
